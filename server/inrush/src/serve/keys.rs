//! The keys that sign tickets.

use inrush_core::Keyring;
use inrush_runtime::secret::Secret;

use crate::{problem, settings::TicketSettings};

/// The keys that were given; none if none were.
///
/// # Errors
/// If what was given are no keys. The message shows none of it.
pub(super) fn given(settings: &TicketSettings) -> anyhow::Result<Option<Keyring>> {
    let file = settings.keys_file.as_deref();
    let Some(text) = Secret::resolve("tickets.keys", settings.keys.as_ref(), file)? else { return Ok(None) };
    let place = file.map_or_else(|| "INRUSH_TICKETS_KEYS".to_owned(), |file| file.display().to_string());
    Keyring::parse(text.expose())
        .map(Some)
        .map_err(|error| problem::misused(format!("the ticket keys in {place} cannot be used"), error))
}

/// The keys that were given, where there must be some: every front of a cluster has to have the same.
///
/// # Errors
/// If none were given, with how to make one; or as [`given`].
pub(super) fn required(settings: &TicketSettings) -> anyhow::Result<Keyring> {
    given(settings)?.ok_or_else(|| {
        problem::misused(
            "no ticket key is given, and every front needs the same ones",
            "make one with `inrush ticket new-key --out ticket.keys` and give it with --ticket-keys-file ticket.keys",
        )
    })
}

/// The keys that were given, or a new one that is gone when the process ends.
///
/// # Errors
/// As [`given`].
pub(super) fn given_or_new(settings: &TicketSettings) -> anyhow::Result<Keys> {
    Ok(match given(settings)? {
        Some(keyring) => Keys { keyring, ephemeral: false },
        None => Keys { keyring: Keyring::ephemeral()?, ephemeral: true },
    })
}

/// Keys, and whether they are gone when the process ends.
pub(super) struct Keys {
    /// The keys.
    pub(super) keyring: Keyring,
    /// Made for this process only.
    pub(super) ephemeral: bool,
}
