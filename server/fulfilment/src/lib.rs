//! inrush-fulfilment
