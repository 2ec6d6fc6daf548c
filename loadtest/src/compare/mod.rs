//! `inrush-loadtest compare`.
