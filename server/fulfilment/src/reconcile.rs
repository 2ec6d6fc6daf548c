//! After the store may have lost its latest changes: what was ordered and released is read from the order system, and
//! the tickets whose order the store has forgotten are settled.

pub(crate) mod order_list;
pub(crate) mod reconciler;
pub(crate) mod rises;
