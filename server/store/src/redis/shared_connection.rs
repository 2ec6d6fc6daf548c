//! The hot path's connection: one multiplexed connection that reconnects with the next command once it is lost.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use tokio::sync::Mutex;

use super::{
    command_error::CommandError,
    connection::{Connection, Connector},
    retry::{Idempotency, Retries},
};

/// Callers that waited for another's failed attempt to connect get its error, instead of one more attempt each.
const RECONNECT_BACKOFF: Duration = Duration::from_millis(5);

/// A connection that all commands of a handle share.
pub(super) struct SharedConnection {
    connector: Connector,
    slot: Mutex<Slot>,
}

/// The open connection, if there is one.
#[derive(Default)]
struct Slot {
    open: Option<Connection>,
    /// Shows whether the connection that failed is still the one in the slot.
    generation: u64,
    failed: Option<(Instant, CommandError)>,
}

impl SharedConnection {
    /// Connects with the first command.
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, slot: Mutex::default() }
    }

    /// Runs a command, on the node that has its keys.
    pub(super) async fn run(&self, command: &Cmd, idempotency: Idempotency) -> Result<Value, CommandError> {
        let mut retries = Retries::new(idempotency);
        loop {
            match self.attempt(command).await {
                Ok(value) => return Ok(value),
                Err(error) => retries.after(error).await?,
            }
        }
    }

    async fn attempt(&self, command: &Cmd) -> Result<Value, CommandError> {
        let (mut connection, generation) = self.open().await?;
        match connection.run(command).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = self.connector.command_error(&error);
                if error.connection_broken {
                    self.close(generation).await;
                }
                Err(error)
            }
        }
    }

    /// The open connection, connected if there is none. While one caller connects, the others wait for it.
    async fn open(&self) -> Result<(Connection, u64), CommandError> {
        let mut slot = self.slot.lock().await;
        if let Some(open) = slot.open.as_ref().filter(|open| !open.is_retired()) {
            return Ok((open.clone(), slot.generation));
        }
        if let Some((at, error)) = &slot.failed
            && at.elapsed() < RECONNECT_BACKOFF
        {
            return Err(error.clone());
        }
        match self.connector.connect().await {
            Ok(connection) => {
                slot.generation += 1;
                slot.failed = None;
                slot.open = Some(connection.clone());
                Ok((connection, slot.generation))
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn close(&self, generation: u64) {
        let mut slot = self.slot.lock().await;
        if slot.generation == generation {
            slot.open = None;
        }
    }
}
