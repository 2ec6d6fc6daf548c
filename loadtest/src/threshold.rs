//! Limits that a run must keep.
