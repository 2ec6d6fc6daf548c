//! The faults, where they apply, and which levels of durability survive them.

use inrush_simulation::history::Level;
use serde::{Deserialize, Serialize};

use super::store::Setup;

use Setup::{Cluster, Sentinel, Single};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A front is killed, and started again.
    KillFront,
    /// A fulfilment is killed, and started again.
    KillFulfilment,
    /// The order system is killed, and started again.
    KillOrders,
    /// A front is stopped, and goes on.
    StopFront,
    /// A fulfilment is stopped, and goes on, perhaps after its leases have expired.
    StopFulfilment,
    /// The order system is stopped, and goes on.
    StopOrders,
    /// All fronts and fulfilments are restarted in turn, as an upgrade does.
    RollingRestart,
    /// The server forgets its scripts.
    ScriptFlush,
    /// The server closes all connections of clients.
    ClientKill,
    /// All connections to the server break.
    CutConnections,
    /// Connections to the server stay open, and nothing passes.
    HalfOpen,
    /// Everything to and from the server takes longer.
    Delay,
    /// Replies to scripts do not arrive, and their connections break.
    DropReply,
    /// Half of a reply to a script arrives, and its connection breaks.
    TearReply,
    /// The server is stopped, and goes on.
    StopRedis,
    /// The memory of the server is full.
    FullMemory,
    /// A script keeps the server busy.
    Busy,
    /// The clock of a process is set by twenty seconds or an hour, and set right later.
    ClockStep,
    /// The user of Redis loses rights, and gets them back.
    AclChange,
    /// The only server is killed, and started again.
    KillRedis,
    /// The power fails: the server comes back without what was not yet on the disk, about a second.
    PowerCut,
    /// The server comes back with an append-only file that ends in the middle of a command.
    TornTail,
    /// The server comes back with an old snapshot.
    RestartFromSnapshot,
    /// A replica is killed, and started again.
    KillReplica,
    /// The primary is killed, and started again after a replica was promoted.
    KillPrimary,
    /// An operator orders a failover.
    PlannedFailover,
    /// Replication stops, and then the primary is killed.
    LaggedFailover,
    /// The primary is stopped until a replica was promoted, and goes on as if nothing had happened.
    StalePrimary,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::KillFront,
        Self::KillFulfilment,
        Self::KillOrders,
        Self::StopFront,
        Self::StopFulfilment,
        Self::StopOrders,
        Self::RollingRestart,
        Self::ScriptFlush,
        Self::ClientKill,
        Self::CutConnections,
        Self::HalfOpen,
        Self::Delay,
        Self::DropReply,
        Self::TearReply,
        Self::StopRedis,
        Self::FullMemory,
        Self::Busy,
        Self::ClockStep,
        Self::AclChange,
        Self::KillRedis,
        Self::PowerCut,
        Self::TornTail,
        Self::RestartFromSnapshot,
        Self::KillReplica,
        Self::KillPrimary,
        Self::PlannedFailover,
        Self::LaggedFailover,
        Self::StalePrimary,
    ];

    /// Its name in results.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether it can happen in this setup.
    #[must_use]
    pub fn applies_to(self, setup: Setup) -> bool {
        match self {
            Self::KillRedis | Self::PowerCut | Self::TornTail | Self::RestartFromSnapshot => setup == Single,
            Self::KillReplica
            | Self::KillPrimary
            | Self::PlannedFailover
            | Self::LaggedFailover
            | Self::StalePrimary => matches!(setup, Sentinel | Cluster),
            _ => true,
        }
    }

    /// The levels at which acknowledged tickets may be forgotten.
    ///
    /// A server under `appendfsync everysec` may delay its writes while the disk is busy, so that also a kill forgets.
    /// Whatever stops a primary for a while may make a replica the primary.
    #[must_use]
    pub fn forgets(self, setup: Setup) -> Vec<Level> {
        match self {
            Self::KillRedis | Self::PowerCut | Self::TornTail => vec![Level::Memory],
            Self::RestartFromSnapshot => vec![Level::Memory, Level::Fsync, Level::Replicated],
            Self::KillPrimary | Self::PlannedFailover | Self::LaggedFailover | Self::StalePrimary => {
                vec![Level::Memory, Level::Fsync]
            }
            Self::HalfOpen | Self::StopRedis | Self::Busy | Self::Delay if setup != Single => {
                vec![Level::Memory, Level::Fsync]
            }
            _ => Vec::new(),
        }
    }

    /// Whether entries that were claimed may not reach the order system in their order.
    #[must_use]
    pub fn breaks_deliveries(self) -> bool {
        // Every fault of a server can lose the reply to a claim.
        !matches!(self, Self::KillFront | Self::StopFront)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_name_and_a_setup() {
        let names: BTreeSet<String> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(names.iter().all(|name| !name.is_empty()), "{names:?}");
        for fault in Fault::ALL {
            assert!(Setup::ALL.iter().any(|&setup| fault.applies_to(setup)), "{fault:?}");
        }
    }

    #[test]
    fn a_replicated_ticket_survives_every_failover() {
        for fault in Fault::ALL {
            for setup in [Sentinel, Cluster] {
                assert!(
                    !fault.applies_to(setup) || !fault.forgets(setup).contains(&Level::Replicated),
                    "{fault:?}"
                );
            }
        }
    }
}
