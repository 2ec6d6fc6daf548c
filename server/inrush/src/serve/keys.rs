//! The keys that sign tickets.

use inrush_core::Keyring;
use inrush_runtime::secret::Secret;

use crate::{error, settings::TicketSettings};

/// The configured keys, if there are any.
///
/// # Errors
/// If they are invalid. The message does not contain them.
pub(super) fn provided(settings: &TicketSettings) -> anyhow::Result<Option<Keyring>> {
    let file = settings.keys_file.as_deref();
    let Some(text) = Secret::resolve("tickets.keys", settings.keys.as_ref(), file)? else { return Ok(None) };
    let source = file.map_or_else(|| "INRUSH_TICKETS_KEYS".to_owned(), |file| file.display().to_string());
    Keyring::parse(text.expose())
        .map(Some)
        .map_err(|error| error::usage(format!("invalid ticket keys in {source}"), error))
}

/// The configured keys, which a front requires.
///
/// # Errors
/// If no key is set; or as [`provided`].
pub(super) fn required(settings: &TicketSettings) -> anyhow::Result<Keyring> {
    provided(settings)?.ok_or_else(|| {
        error::usage(
            "no ticket key is set: all fronts need the same keys",
            "make one with `inrush ticket new-key --out ticket.keys` and use it with --ticket-keys-file ticket.keys",
        )
    })
}

/// The configured keys, or a new one that is lost when the process ends.
///
/// # Errors
/// As [`provided`].
pub(super) fn provided_or_new(settings: &TicketSettings) -> anyhow::Result<Keys> {
    Ok(match provided(settings)? {
        Some(keyring) => Keys { keyring, ephemeral: false },
        None => Keys { keyring: Keyring::ephemeral()?, ephemeral: true },
    })
}

/// Keys, and whether they are lost when the process ends.
pub(super) struct Keys {
    /// The keys.
    pub(super) keyring: Keyring,
    /// Made for this process only.
    pub(super) ephemeral: bool,
}
