//! Which sale claims next: the queue of active sales, the claims, the leases that have ended, and the sweep.

pub(crate) mod claimer;
pub(crate) mod recoverer;
pub(crate) mod sale_queue;
pub(crate) mod scheduler;
pub(crate) mod sweeper;
