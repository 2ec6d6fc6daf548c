//! Replies of scripts: flat arrays of integers and strings, read from front to back.

use std::vec;

use inrush_core::{store::StoreError, ticket::TicketState};
use redis::Value;

use super::script::ScriptName;

/// The first element of every reply; `lua/include/codes.lua` has the same codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Done; what follows is the answer.
    Done,
    /// There is no such sale.
    NoSale,
    /// Nothing was done: the keys were built for another state of the queue. The current state follows.
    WrongKeys,
    /// Nothing was done: the history of the store has changed, so the sale's epoch must rise first.
    HistoryChanged,
}

/// One reply, read from front to back.
#[derive(Debug)]
pub(super) struct Reply {
    script: ScriptName,
    replicated: bool,
    values: vec::IntoIter<Value>,
}

impl Reply {
    /// The reply of `script`.
    pub(super) fn new(script: ScriptName, value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(values) => Ok(Self { script, replicated: false, values: values.into_iter() }),
            other => Err(corrupt(script, &format!("expected an array, not {other:?}"))),
        }
    }

    /// The same reply, with whether a replica has acknowledged what the script wrote.
    pub(super) fn with_replicated(self, replicated: bool) -> Self {
        Self { replicated, ..self }
    }

    /// Whether a replica has acknowledged what the script wrote.
    pub(super) const fn is_replicated(&self) -> bool {
        self.replicated
    }

    pub(super) fn code(&mut self) -> Result<Code, StoreError> {
        match self.signed()? {
            0 => Ok(Code::Done),
            1 => Ok(Code::NoSale),
            2 => Ok(Code::WrongKeys),
            3 => Ok(Code::HistoryChanged),
            code => Err(self.unexpected(&format!("{code} is not a code"))),
        }
    }

    /// Whether all elements were read.
    pub(super) fn is_at_end(&self) -> bool {
        self.values.as_slice().is_empty()
    }

    pub(super) fn signed(&mut self) -> Result<i64, StoreError> {
        match self.next()? {
            Value::Int(number) => Ok(number),
            other => Err(self.unexpected(&format!("expected an integer, not {other:?}"))),
        }
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, StoreError> {
        let number = self.signed()?;
        u64::try_from(number).map_err(|_| self.unexpected(&format!("{number} is negative")))
    }

    /// `None` for a negative integer.
    pub(super) fn optional(&mut self) -> Result<Option<u64>, StoreError> {
        Ok(u64::try_from(self.signed()?).ok())
    }

    /// A count, small enough for `T`.
    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, StoreError> {
        let number = self.unsigned()?;
        T::try_from(number).map_err(|_| self.unexpected(&format!("{number} is too large")))
    }

    pub(super) fn flag(&mut self) -> Result<bool, StoreError> {
        match self.signed()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.unexpected(&format!("{other} is neither 0 nor 1"))),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(bytes),
            other => Err(self.unexpected(&format!("expected a string, not {other:?}"))),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        String::from_utf8(self.bytes()?).map_err(|_| self.unexpected("a string is not UTF-8"))
    }

    /// The ticket state of a code; `lua/look_up.lua` has the same codes.
    pub(super) fn state(&self, code: i64) -> Result<TicketState, StoreError> {
        match code {
            1 => Ok(TicketState::Waiting),
            2 => Ok(TicketState::Processing),
            3 => Ok(TicketState::Ordered),
            4 => Ok(TicketState::Released),
            5 => Ok(TicketState::Cancelled),
            6 => Ok(TicketState::Rejected),
            7 => Ok(TicketState::Expired),
            8 => Ok(TicketState::Dead),
            9 => Ok(TicketState::Lost),
            _ => Err(self.unexpected(&format!("{code} is not a ticket state"))),
        }
    }

    /// An error: the reply has something unexpected.
    pub(super) fn unexpected(&self, what: &str) -> StoreError {
        corrupt(self.script, what)
    }

    fn next(&mut self) -> Result<Value, StoreError> {
        self.values.next().ok_or_else(|| corrupt(self.script, "it ends early"))
    }
}

fn corrupt(script: ScriptName, what: &str) -> StoreError {
    StoreError::Corrupt(format!("invalid reply of script {}: {what}", script.file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(values: Vec<Value>) -> Reply {
        Reply::new(ScriptName::Admit, Value::Array(values)).unwrap()
    }

    #[test]
    fn a_reply_is_read_from_front_to_back() {
        let mut reply =
            reply(vec![Value::Int(0), Value::Int(-1), Value::Int(1), Value::BulkString(b"text".to_vec())]);
        assert_eq!(reply.code(), Ok(Code::Done));
        assert_eq!(reply.optional(), Ok(None));
        assert_eq!(reply.flag(), Ok(true));
        assert_eq!(reply.text(), Ok("text".to_owned()));
        assert!(reply.is_at_end());
    }

    #[test]
    fn an_unexpected_reply_is_an_error_that_names_the_script() {
        let errors = [
            Reply::new(ScriptName::Admit, Value::Nil).unwrap_err(),
            reply(vec![]).signed().unwrap_err(),
            reply(vec![Value::Nil]).signed().unwrap_err(),
            reply(vec![Value::Int(-5)]).unsigned().unwrap_err(),
            reply(vec![Value::Int(300)]).small::<u8>().unwrap_err(),
            reply(vec![Value::Int(2)]).flag().unwrap_err(),
            reply(vec![Value::Int(9)]).code().unwrap_err(),
            reply(vec![Value::Int(9)]).bytes().unwrap_err(),
            reply(vec![Value::BulkString(vec![0xff])]).text().unwrap_err(),
            reply(vec![]).state(0).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, StoreError::Corrupt(text) if text.contains("admit")), "{error}");
        }
    }

    #[test]
    fn codes_are_those_of_the_scripts() {
        let codes = include_str!("lua/include/codes.lua");
        assert!(codes.contains("local DONE, NO_SALE, WRONG_KEYS, HISTORY_CHANGED = 0, 1, 2, 3\n"));
        let look_up = include_str!("lua/look_up.lua");
        assert!(look_up.contains(
            "local NONE, WAITING, PROCESSING, ORDERED, RELEASED, CANCELLED, REJECTED, EXPIRED, DEAD, IS_LOST = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\n"
        ));
    }
}
