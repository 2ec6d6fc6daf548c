//! A connection that reconnects when it breaks.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    connection::{ConnectFailure, Connection},
    deadlines::Deadlines,
    endpoint::Endpoint,
    tls::TlsConnector,
};

/// Time after a failed connection in which calls fail immediately, before the next attempt.
const RECONNECT_BACKOFF: Duration = Duration::from_millis(100);

/// One connection of a thread, shared by its callers.
pub struct Link {
    endpoint: Rc<Endpoint>,
    tls: Option<TlsConnector>,
    number: usize,
    state: RefCell<State>,
    connecting: Mutex<()>,
    generation: Cell<u64>,
    deadlines: Rc<Deadlines>,
}

enum State {
    Up(SendRequest<Bytes>),
    Broken,
    Down { failure: ConnectFailure, until: Instant },
}

impl Link {
    /// Connects. Must be called within a `LocalSet`.
    ///
    /// # Errors
    /// When there is no connection in time.
    pub async fn open(
        endpoint: Rc<Endpoint>,
        tls: Option<TlsConnector>,
        number: usize,
    ) -> Result<Rc<Self>, ConnectFailure> {
        let connection = Connection::open(&endpoint, tls.as_ref(), number).await?;
        let state = RefCell::new(State::Up(connection.sender));
        Ok(Rc::new(Self {
            endpoint,
            tls,
            number,
            state,
            connecting: Mutex::default(),
            generation: Cell::new(0),
            deadlines: Deadlines::start(),
        }))
    }

    /// A handle for streams on the current connection, and the connection's generation. Reconnects first if the connection
    /// is broken; concurrent callers share one attempt.
    pub(super) async fn sender(&self) -> Result<(u64, SendRequest<Bytes>), ConnectFailure> {
        if let Some(known) = self.known() {
            return known;
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let connected = Connection::open(&self.endpoint, self.tls.as_ref(), self.number).await;
        *self.state.borrow_mut() = match connected {
            Ok(connection) => State::Up(connection.sender),
            Err(failure) => State::Down { failure, until: Instant::now() + RECONNECT_BACKOFF },
        };
        self.generation.set(self.generation.get() + 1);
        match &*self.state.borrow() {
            State::Up(sender) => Ok((self.generation.get(), sender.clone())),
            State::Down { failure, .. } => Err(failure.clone()),
            State::Broken => unreachable!("it was set above, and nothing was awaited since"),
        }
    }

    /// Marks the connection of a generation as broken: it accepts no more streams.
    pub(super) fn broken(&self, generation: u64) {
        if self.generation.get() == generation {
            *self.state.borrow_mut() = State::Broken;
        }
    }

    /// The deadlines of the callers.
    pub(super) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// The generation of the present connection.
    pub(super) fn generation(&self) -> u64 {
        self.generation.get()
    }

    fn known(&self) -> Option<Result<(u64, SendRequest<Bytes>), ConnectFailure>> {
        match &*self.state.borrow() {
            State::Up(sender) => Some(Ok((self.generation.get(), sender.clone()))),
            State::Down { failure, until } if Instant::now() < *until => Some(Err(failure.clone())),
            State::Down { .. } | State::Broken => None,
        }
    }
}
