//! inrush

fn main() {}
