//! How many replicas must have a change before it counts as replicated: all that a promotion could choose from, or as many
//! as the operator says. With fewer, the one that is promoted may be the one that lacks it.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use redis::{Arg, Cmd, ErrorKind, FromRedisValue as _, RedisResult, Value, cluster_routing::Slot, cmd};

use super::connection::Connection;

/// For how long a server's own count is used. Sentinels are asked as often.
const COUNT_TTL: Duration = Duration::from_secs(1);

/// The number of replicas that a change needs.
#[derive(Clone, Default)]
pub(super) struct RequiredReplicas {
    configured: Option<u64>,
    counted: Arc<Mutex<Option<Counted>>>,
}

/// What servers said of their replicas.
struct Counted {
    at: Instant,
    replicas: Replicas,
}

/// Replicas that could be promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Replicas {
    /// Of one server.
    OfServer(u64),
    /// Of the master of each slot.
    OfSlots(HashMap<Slot, u64>),
}

impl RequiredReplicas {
    /// 0: all that a promotion could choose from.
    pub(super) fn new(configured: u32) -> Self {
        Self { configured: (configured > 0).then_some(configured.into()), counted: Arc::default() }
    }

    /// How many replicas must have what `command` changes; at least one. Asks the server if its last answer is old.
    pub(super) async fn of(&self, connection: &mut Connection, command: &Cmd) -> RedisResult<u64> {
        if let Some(configured) = self.configured {
            return Ok(configured);
        }
        let all = match connection {
            Connection::Master { replicas, .. } => replicas.load(Ordering::Relaxed),
            Connection::Single(_) | Connection::Cluster(_) => {
                self.refresh(connection).await?;
                let counted = self.counted.lock();
                counted.as_ref().map(|counted| counted.replicas.of(slot_of(command))).unwrap_or_default()
            }
        };
        Ok(all.max(1))
    }

    async fn refresh(&self, connection: &mut Connection) -> RedisResult<()> {
        if self.counted.lock().as_ref().is_some_and(|counted| counted.at.elapsed() < COUNT_TTL) {
            return Ok(());
        }
        let at = Instant::now();
        let replicas = if matches!(connection, Connection::Cluster(_)) {
            Replicas::of_slots(connection.run(cmd("CLUSTER").arg("SLOTS")).await?)?
        } else {
            let info = connection.run(cmd("INFO").arg("replication")).await?;
            Replicas::of_server(&String::from_redis_value(info)?)
        };
        *self.counted.lock() = Some(Counted { at, replicas });
        Ok(())
    }
}

impl Replicas {
    /// From `INFO replication`: one that is still loading the data of its master is not online.
    fn of_server(info: &str) -> Self {
        let is_online = |line: &&str| line.starts_with("slave") && line.contains("state=online");
        Self::OfServer(info.lines().filter(is_online).count() as u64)
    }

    /// From `CLUSTER SLOTS`: ranges of slots, each with its master and then its replicas. Those that have failed are left
    /// out by the server.
    fn of_slots(answer: Value) -> RedisResult<Self> {
        let mut slots = HashMap::new();
        for range in Vec::<Vec<Value>>::from_redis_value(answer)? {
            let [first, last, _master, replicas @ ..] = range.as_slice() else {
                return Err(
                    (ErrorKind::UnexpectedReturnType, "a range of CLUSTER SLOTS has no master").into()
                );
            };
            let (first, last) = (u16::from_redis_value_ref(first)?, u16::from_redis_value_ref(last)?);
            slots.extend((first..=last).filter_map(Slot::new).map(|slot| (slot, replicas.len() as u64)));
        }
        Ok(Self::OfSlots(slots))
    }

    fn of(&self, slot: Option<Slot>) -> u64 {
        match self {
            Self::OfServer(replicas) => *replicas,
            Self::OfSlots(slots) => slot.and_then(|slot| slots.get(&slot).copied()).unwrap_or_default(),
        }
    }
}

/// The slot of the keys of a script, which are all in one: `EVALSHA`, the script, the number of keys, the first key.
fn slot_of(script: &Cmd) -> Option<Slot> {
    match script.args_iter().nth(3)? {
        Arg::Simple(key) => Some(Slot::for_key(key)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_that_are_online_count() {
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:3\r\n\
                    slave0:ip=10.0.0.1,port=6379,state=online,offset=14,lag=0\r\n\
                    slave1:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0\r\n\
                    slave2:ip=10.0.0.3,port=6379,state=online,offset=14,lag=1\r\n";
        assert_eq!(Replicas::of_server(info), Replicas::OfServer(2));
        assert_eq!(Replicas::of_server("role:master\r\nconnected_slaves:0\r\n"), Replicas::OfServer(0));
    }

    #[test]
    fn each_range_of_slots_has_its_own_replicas() {
        let node = || Value::Array(vec![Value::BulkString(b"10.0.0.1".to_vec()), Value::Int(6379)]);
        let range = |first, last, replicas: usize| {
            let mut range = vec![Value::Int(first), Value::Int(last), node()];
            range.extend((0..replicas).map(|_| node()));
            Value::Array(range)
        };
        let answer = Value::Array(vec![range(0, 99, 2), range(200, 16_383, 1)]);
        let replicas = Replicas::of_slots(answer).unwrap();
        for (slot, expected) in [(0, 2), (99, 2), (100, 0), (199, 0), (200, 1), (16_383, 1)] {
            assert_eq!(replicas.of(Slot::new(slot)), expected, "slot {slot}");
        }
        assert_eq!(replicas.of(None), 0);
    }

    #[test]
    fn the_slot_is_that_of_the_first_key() {
        let script = cmd("EVALSHA").arg("abc").arg(1).arg("inrush:{x}:sale").take();
        assert_eq!(slot_of(&script), Some(Slot::for_key("{x}")));
        assert_eq!(slot_of(&cmd("WAIT")), None);
    }
}
