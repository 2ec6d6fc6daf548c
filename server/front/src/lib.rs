//! inrush-front
