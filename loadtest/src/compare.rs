//! The rush straight at the order system, and through Inrush.
