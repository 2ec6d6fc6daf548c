//! Finds the method to call.
