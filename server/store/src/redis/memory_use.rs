//! How much memory Redis uses, and how much it may use.

use std::cmp::Ordering;

use inrush_core::store::StoreError;
use redis::cmd;

use super::{server_check::text_of, store::RedisStore};

/// How much memory a Redis uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that it may use (`maxmemory`); 0 if it has no limit.
    pub limit: u64,
}

impl MemoryUse {
    fn of(info: &str) -> Option<Self> {
        let number = |name| {
            let mut fields = info.lines().filter_map(|line| line.trim_end().split_once(':'));
            fields.find(|(field, _)| *field == name).and_then(|(_, value)| value.parse().ok())
        };
        Some(Self { used: number("used_memory")?, limit: number("maxmemory")? })
    }

    /// Orders by how close it is to the limit; without limits by the bytes in use.
    fn cmp_pressure(&self, other: &Self) -> Ordering {
        let bytes = |one: u64, other: u64| u128::from(one) * u128::from(other);
        match (self.limit, other.limit) {
            (0, 0) => self.used.cmp(&other.used),
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            (own, others) => bytes(self.used, others).cmp(&bytes(other.used, own)),
        }
    }
}

impl RedisStore {
    /// The memory of Redis; in a cluster that of the master that is closest to its limit.
    ///
    /// # Errors
    /// If a master does not answer.
    pub async fn memory(&self) -> Result<MemoryUse, StoreError> {
        let answers =
            self.pool.query_masters(cmd("INFO").arg("memory")).await.map_err(|error| error.error)?;
        let mut fullest: Option<MemoryUse> = None;
        for answer in answers {
            let memory = MemoryUse::of(&text_of(answer)?).ok_or_else(|| {
                StoreError::Corrupt("INFO memory lacks used_memory or maxmemory".to_owned())
            })?;
            if fullest.is_none_or(|other| memory.cmp_pressure(&other).is_gt()) {
                fullest = Some(memory);
            }
        }
        fullest.ok_or_else(|| StoreError::Unavailable("Redis has no master".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_compared_by_its_distance_to_the_limit() {
        let memory = |used: u64, limit: u64| {
            MemoryUse::of(&format!("# Memory\r\nused_memory:{used}\r\nmaxmemory:{limit}\r\n")).unwrap()
        };
        assert_eq!(memory(1, 2), MemoryUse { used: 1, limit: 2 });
        assert_eq!(MemoryUse::of("used_memory:1\r\n"), None);
        for (fuller, other) in [
            ((90, 100), (800, 1000)),
            ((1, 100), (u64::MAX, 0)),
            ((2, 0), (1, 0)),
            ((u64::MAX, 1), (1, u64::MAX)),
        ] {
            let (fuller, other) = (memory(fuller.0, fuller.1), memory(other.0, other.1));
            assert!(fuller.cmp_pressure(&other).is_gt() && other.cmp_pressure(&fuller).is_lt());
        }
    }
}
