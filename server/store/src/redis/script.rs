//! The Lua scripts: their sources, how they are assembled, and one call of one of them.

use std::{borrow::Cow, collections::BTreeMap};

use inrush_core::store::StoreError;
use redis::{Arg, Cmd, Script as Hashed, ToRedisArgs};

use super::retry::Idempotency;

/// A line with this prefix is replaced by the named include, unless the script has it already.
const INCLUDE: &str = "--! include ";

/// A script, by the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ScriptName {
    Admit,
    Cancel,
    Claim,
    Close,
    Configure,
    DeadLetters,
    Delete,
    Discard,
    Extend,
    LookUp,
    Reconcile,
    Recover,
    Redrive,
    Release,
    Renew,
    Restore,
    Settle,
    Snapshot,
    Sweep,
}

impl ScriptName {
    const ALL: [Self; 19] = [
        Self::Admit,
        Self::Cancel,
        Self::Claim,
        Self::Close,
        Self::Configure,
        Self::DeadLetters,
        Self::Delete,
        Self::Discard,
        Self::Extend,
        Self::LookUp,
        Self::Reconcile,
        Self::Recover,
        Self::Redrive,
        Self::Release,
        Self::Renew,
        Self::Restore,
        Self::Settle,
        Self::Snapshot,
        Self::Sweep,
    ];

    /// The file's name without its ending.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Cancel => "cancel",
            Self::Claim => "claim",
            Self::Close => "close",
            Self::Configure => "configure",
            Self::DeadLetters => "dead_letters",
            Self::Delete => "delete",
            Self::Discard => "discard",
            Self::Extend => "extend",
            Self::LookUp => "look_up",
            Self::Reconcile => "reconcile",
            Self::Recover => "recover",
            Self::Redrive => "redrive",
            Self::Release => "release",
            Self::Renew => "renew",
            Self::Restore => "restore",
            Self::Settle => "settle",
            Self::Snapshot => "snapshot",
            Self::Sweep => "sweep",
        }
    }

    /// Whether it runs so rarely, or so long, that it is kept off the connection of the hot path.
    pub(super) const fn is_rare(self) -> bool {
        match self {
            Self::Admit
            | Self::Cancel
            | Self::Claim
            | Self::Extend
            | Self::LookUp
            | Self::Recover
            | Self::Release
            | Self::Restore
            | Self::Settle => false,
            Self::Close
            | Self::Configure
            | Self::DeadLetters
            | Self::Delete
            | Self::Discard
            | Self::Reconcile
            | Self::Redrive
            | Self::Renew
            | Self::Snapshot
            | Self::Sweep => true,
        }
    }

    /// Only a repeated claim takes more entries.
    const fn idempotency(self) -> Idempotency {
        match self {
            Self::Claim => Idempotency::NotIdempotent,
            _ => Idempotency::Idempotent,
        }
    }
}

/// The text of every script and include, by the name of its file.
#[derive(Clone)]
pub struct ScriptSources(BTreeMap<&'static str, Cow<'static, str>>);

macro_rules! bundled {
    ($($name:literal),* $(,)?) => {
        [$(($name, Cow::Borrowed(include_str!(concat!("lua/", $name, ".lua"))))),*]
    };
}

impl ScriptSources {
    /// The scripts of this version.
    #[must_use]
    pub fn bundled() -> Self {
        Self(BTreeMap::from(bundled![
            "admit",
            "cancel",
            "claim",
            "close",
            "configure",
            "dead_letters",
            "delete",
            "discard",
            "extend",
            "look_up",
            "reconcile",
            "recover",
            "redrive",
            "release",
            "renew",
            "restore",
            "settle",
            "snapshot",
            "sweep",
            "include/admitted_log",
            "include/announce",
            "include/attempt",
            "include/block",
            "include/cancel_tree",
            "include/clock",
            "include/codes",
            "include/dead",
            "include/digits",
            "include/entry",
            "include/epochs",
            "include/history",
            "include/ledger",
            "include/lost",
            "include/new_epoch",
            "include/open_sale",
            "include/queue",
            "include/outcome",
            "include/backlog",
            "include/pace",
            "include/record",
            "include/reopened",
            "include/units_returned",
            "include/sale",
            "include/snapshot",
        ]))
    }

    /// The same scripts with one replacement in the script (or include) `name`: a test plants a mistake.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] when there is no such script, or `from` is not exactly once in it.
    pub fn with_replaced(mut self, name: &str, from: &str, to: &str) -> Result<Self, StoreError> {
        let matches = self.0.get(name).map_or(0, |source| source.matches(from).count());
        if matches != 1 {
            return Err(StoreError::Unsuitable(format!(
                "script {name} contains {from:?} {matches} times instead of once"
            )));
        }
        for (_, source) in self.0.iter_mut().filter(|(file, _)| **file == name) {
            *source = Cow::Owned(source.replacen(from, to, 1));
        }
        Ok(self)
    }

    /// The Redis commands of all scripts, in capitals.
    #[cfg(test)]
    pub(super) fn commands(&self) -> std::collections::BTreeSet<String> {
        let after_call = |source: &str| -> Vec<String> {
            let starts = ["call('", "write_all('"].into_iter().flat_map(|start| source.split(start).skip(1));
            starts.filter_map(|rest| rest.split('\'').next()).map(str::to_owned).collect()
        };
        self.0.values().flat_map(|source| after_call(source)).collect()
    }

    /// The script with its includes.
    fn assemble(&self, file: &'static str) -> Result<String, StoreError> {
        let mut script = String::new();
        self.append(file, &mut Vec::new(), &mut script)?;
        Ok(script)
    }

    fn append(&self, file: &str, included: &mut Vec<String>, script: &mut String) -> Result<(), StoreError> {
        let source = self
            .0
            .get(file)
            .ok_or_else(|| StoreError::Unsuitable(format!("there is no script {file}.lua")))?;
        for line in source.lines() {
            let Some(name) = line.strip_prefix(INCLUDE) else {
                script.push_str(line);
                script.push('\n');
                continue;
            };
            let include = format!("include/{}", name.trim());
            if !included.contains(&include) {
                included.push(include.clone());
                self.append(&include, included, script)?;
            }
        }
        Ok(())
    }
}

/// All scripts, assembled.
pub(super) struct Scripts(BTreeMap<ScriptName, Script>);

/// One assembled script.
pub(super) struct Script {
    name: ScriptName,
    source: String,
    hash: String,
}

impl Scripts {
    /// Assembles all scripts.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] when one includes what does not exist.
    pub(super) fn assemble(sources: &ScriptSources) -> Result<Self, StoreError> {
        let scripts = ScriptName::ALL.into_iter().map(|name| {
            let source = sources.assemble(name.file())?;
            let hash = Hashed::new(&source).get_hash().to_owned();
            Ok((name, Script { name, source, hash }))
        });
        scripts.collect::<Result<_, StoreError>>().map(Self)
    }

    /// A call of one script with `keys` keys, which are added before the arguments.
    pub(super) fn call(&self, name: ScriptName, keys: usize) -> Result<Call<'_>, StoreError> {
        let script = self
            .0
            .get(&name)
            .ok_or_else(|| StoreError::Unsuitable(format!("there is no script {}", name.file())))?;
        let mut command =
            Cmd::with_capacity(2 * keys + SPARE_ARGUMENTS, (2 * keys + SPARE_ARGUMENTS) * SPARE_BYTES);
        command.arg("EVALSHA").arg(&script.hash).arg(keys);
        Ok(Call { script, command, replicated: false })
    }
}

/// Arguments of a call beside those that come with each key, and bytes of a typical argument: a hint that saves
/// most calls from growing their buffer.
const SPARE_ARGUMENTS: usize = 16;
const SPARE_BYTES: usize = 32;

/// One call of one script.
pub(super) struct Call<'a> {
    script: &'a Script,
    command: Cmd,
    replicated: bool,
}

impl Call<'_> {
    /// Adds a key or an argument.
    pub(super) fn add(&mut self, word: impl ToRedisArgs) {
        self.command.arg(word);
    }

    /// Adds a key or an argument.
    pub(super) fn with(mut self, word: impl ToRedisArgs) -> Self {
        self.add(word);
        self
    }

    /// Whether the call waits for a replica.
    pub(super) fn replicated(self, replicated: bool) -> Self {
        Self { replicated, ..self }
    }

    /// Whether the call waits for a replica.
    pub(super) const fn waits_for_replica(&self) -> bool {
        self.replicated
    }

    /// Which script is called.
    pub(super) const fn script(&self) -> ScriptName {
        self.script.name
    }

    /// Whether the call may be sent again when it is unknown whether it was executed.
    pub(super) const fn idempotency(&self) -> Idempotency {
        self.script.name.idempotency()
    }

    /// The call for a server that has the script.
    pub(super) const fn by_hash(&self) -> &Cmd {
        &self.command
    }

    /// The same call for a server that does not have the script yet.
    pub(super) fn by_source(&self) -> Cmd {
        let mut command = Cmd::with_capacity(0, self.script.source.len());
        command.arg("EVAL").arg(&self.script.source);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&'static str, &'static str)]) -> ScriptSources {
        ScriptSources(files.iter().map(|&(name, text)| (name, Cow::Borrowed(text))).collect())
    }

    #[test]
    fn an_include_is_inserted_once_where_it_is_first_named() {
        let sources = sources(&[
            ("main", "#!lua\n--! include b\n--! include a\nreturn 1\n"),
            ("include/a", "-- a\n"),
            ("include/b", "--! include a\n-- b\n"),
        ]);
        assert_eq!(sources.assemble("main"), Ok("#!lua\n-- a\n-- b\nreturn 1\n".to_owned()));
    }

    #[test]
    fn an_include_that_does_not_exist_is_named() {
        let error = sources(&[("main", "--! include nowhere\n")]).assemble("main").unwrap_err();
        assert!(error.to_string().contains("include/nowhere.lua"), "{error}");
    }

    #[test]
    fn every_script_can_be_assembled_and_documents_its_keys_arguments_and_replies() {
        let sources = ScriptSources::bundled();
        assert!(Scripts::assemble(&sources).is_ok());
        for name in ScriptName::ALL {
            let script = sources.0.get(name.file()).unwrap();
            assert!(script.starts_with("#!lua"), "{}", name.file());
            for part in ["\n-- KEYS  ", "\n-- ARGV  ", "\n-- Reply {"] {
                assert!(script.contains(part), "{} has no {part:?}", name.file());
            }
        }
    }

    #[test]
    fn every_include_is_used() {
        let sources = ScriptSources::bundled();
        let all: String = sources.0.values().map(AsRef::as_ref).collect();
        for file in sources.0.keys().filter_map(|file| file.strip_prefix("include/")) {
            assert!(all.contains(&format!("{INCLUDE}{file}\n")), "{file}");
        }
    }

    #[test]
    fn scripts_build_no_keys() {
        for (file, source) in ScriptSources::bundled().0 {
            assert!(!source.contains("inrush:{"), "{file}");
        }
    }

    /// Scripts that read only the first fields of a sale name them in the order in which they are stored.
    #[test]
    fn scripts_unpack_a_sale_in_the_order_in_which_it_is_stored() {
        let between = |text: &'static str, from: &str, to: &str| -> Vec<&'static str> {
            let list = text.split(from).nth(1).and_then(|rest| rest.split(to).next()).unwrap();
            list.split(',')
                .map(|name| name.trim().trim_matches('\''))
                .filter(|name| !name.is_empty())
                .collect()
        };
        let stored = between(include_str!("lua/include/sale.lua"), "local FIELDS = {", "}");
        for (script, unpacked, last_seq) in [
            (
                include_str!("lua/admit.lua"),
                "\nlocal stored = call('GETRANGE', KEYS[1], 0, BYTES_READ - 1)\n",
                "last_before",
            ),
            (include_str!("lua/look_up.lua"), "redis.call('GETRANGE', KEYS[1], 0, 87)\n", "last"),
        ] {
            let names =
                between(script.split(unpacked).nth(1).unwrap(), "return { NO_SALE }\nend\nlocal ", "=");
            let named: Vec<&str> =
                names.iter().map(|&name| if name == last_seq { "last_seq" } else { name }).collect();
            assert_eq!(named, stored[..named.len()]);
            assert!(script.contains(&format!("'<{}'", "d".repeat(named.len()))));
        }
        assert_eq!(stored.iter().position(|&name| name == "last_seq"), Some(72 / 8), "FIRST_CHANGED");
        let epochs = include_str!("lua/include/epochs.lua");
        assert!(epochs.contains(&format!("local PAST_EPOCHS_AT = {}\n", 8 * stored.len())));
        assert_eq!(stored.len(), stored.iter().collect::<std::collections::HashSet<_>>().len());
    }

    #[test]
    fn a_mistake_is_planted_exactly_once() {
        let replaced = |from| ScriptSources::bundled().with_replaced("admit", from, "elsewhere");
        assert!(replaced("call('HSETNX'").unwrap().0.get("admit").unwrap().contains("elsewhere"));
        assert!(replaced("nowhere to be found").is_err());
        assert!(replaced("local").is_err());
        assert!(ScriptSources::bundled().with_replaced("nothing", "a", "b").is_err());
    }

    #[test]
    fn the_call_by_source_is_the_call_by_hash() {
        let scripts = Scripts::assemble(&ScriptSources::bundled()).unwrap();
        let call = scripts.call(ScriptName::Snapshot, 1).unwrap().with("key").with(7);
        let words = |command: &Cmd| -> Vec<Vec<u8>> {
            command
                .args_iter()
                .filter_map(|argument| match argument {
                    Arg::Simple(bytes) => Some(bytes.to_vec()),
                    _ => None,
                })
                .collect()
        };
        let (by_hash, by_source) = (words(call.by_hash()), words(&call.by_source()));
        assert_eq!(by_hash[2..], by_source[2..]);
        assert_eq!(by_hash[2..], [b"1".to_vec(), b"key".to_vec(), b"7".to_vec()]);
        assert_eq!((&by_hash[0][..], &by_source[0][..]), (&b"EVALSHA"[..], &b"EVAL"[..]));
    }
}
