//! The flash sale as a load.
