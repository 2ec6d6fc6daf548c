//! The chaos harness: whole sales on real processes, with faults drawn from a seed, and the check of their history.
//!
//! The whole-system tests are in `tests/`.

pub mod chaos;
