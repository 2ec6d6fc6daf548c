//! Stores that wrap another store: instrumentation, fault injection, test doubles.
//!
//! A decorator implements [`StoreDecorator`], and is a [`Store`] by that. [`StoreDecorator::around`] sees every
//! operation; an operation whose request or reply the decorator changes is overridden by a method of its own. The
//! operations are listed once, at the end of this file: the list makes [`Operation`], the default methods, and the
//! implementation of the ports for every decorator.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{
    AdminStore, AdmitReply, AdmitRequest, CancelResult, Claim, ClaimRequest, ConfigureResult, DeadLetter,
    DeleteResult, Durability, Finding, KnownOrder, LeaseToken, LookUpReply, Precondition, QueueStore,
    Recovery, ReleaseResult, SettleResult, Settlement, Store, StoreError, StoreEvent, StoreHandle, WorkStore,
};
use crate::{
    epochs::TicketRef,
    sale::{SaleId, SaleSettings, SaleSnapshot},
    ticket::Seq,
};

/// One run of an operation, as [`StoreDecorator::around`] sees it.
#[derive(Debug)]
pub struct Call<T> {
    /// Which operation.
    pub operation: Operation,
    /// How many items it carries.
    size: Size<T>,
}

/// How many items an operation carries.
#[derive(Debug)]
enum Size<T> {
    /// The operation has no size.
    Unsized,
    /// So many requests.
    Requests(usize),
    /// As many entries as the reply has.
    Entries(fn(&T) -> usize),
}

impl<T> Call<T> {
    /// How many items the operation carries, as far as its request shows.
    #[must_use]
    pub const fn requests(&self) -> Option<usize> {
        match self.size {
            Size::Requests(requests) => Some(requests),
            Size::Unsized | Size::Entries(_) => None,
        }
    }

    /// How many items the operation carried: its requests, or the entries in its reply.
    #[must_use]
    pub fn size(&self, result: &Result<T, StoreError>) -> Option<usize> {
        match self.size {
            Size::Unsized => None,
            Size::Requests(requests) => Some(requests),
            Size::Entries(count) => result.as_ref().ok().map(count),
        }
    }
}

/// Makes everything of a decorator that is the same for each operation. For each port: its operations, as
/// `Name: method(arguments) -> reply, size`, and in braces what of the port is not an operation.
macro_rules! operations {
    ($($port:ident {
        $($name:ident: $method:ident($($argument:ident: $type:ty),*) -> $reply:ty, $size:expr;)*
        $({ $($other:tt)* })?
    })*) => {
        /// An operation of a store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is the method of a port with its name")]
        pub enum Operation {
            $($($name,)*)*
        }

        impl Operation {
            /// All operations.
            pub const ALL: &[Self] = &[$($(Self::$name,)*)*];

            /// The name of its method.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$name => stringify!($method),)*)*
                }
            }
        }

        /// A store that wraps another.
        ///
        /// A call costs one allocation more than a call of the inner store, that of a future behind `dyn Store`.
        pub trait StoreDecorator: Sized + Send + Sync + 'static {
            /// The wrapped store.
            fn inner(&self) -> &dyn Store;

            /// This decorator around `inner`, a handle with connections of its own.
            fn around_own_connection(&self, inner: Arc<dyn Store>) -> Self;

            /// Runs an operation of the inner store: `run` does nothing before it is awaited.
            fn around<T: Send>(
                &self,
                call: Call<T>,
                run: impl Future<Output = Result<T, StoreError>> + Send,
            ) -> impl Future<Output = Result<T, StoreError>> + Send {
                let _ = call;
                run
            }

            /// The events that subscribers of this store get.
            fn events(&self) -> broadcast::Receiver<StoreEvent> {
                self.inner().events()
            }

            $($(
                #[doc = concat!("[`", stringify!($port), "::", stringify!($method), "`].")]
                fn $method(
                    &self,
                    $($argument: $type),*
                ) -> impl Future<Output = Result<$reply, StoreError>> + Send {
                    async move {
                        let call = Call { operation: Operation::$name, size: $size };
                        self.around(call, self.inner().$method($($argument),*)).await
                    }
                }
            )*)*
        }

        $(
            #[async_trait]
            impl<D: StoreDecorator> $port for D {
                $($($other)*)?

                $(
                    async fn $method(&self, $($argument: $type),*) -> Result<$reply, StoreError> {
                        StoreDecorator::$method(self, $($argument),*).await
                    }
                )*
            }
        )*
    };
}

#[async_trait]
impl<D: StoreDecorator> Store for D {
    async fn with_own_connection(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(self.around_own_connection(self.inner().with_own_connection().await?)))
    }
}

operations! {
    StoreHandle {
        Check: check() -> (), Size::Unsized;
        Sale: sale(sale: &SaleId) -> SaleSnapshot, Size::Unsized;
        {
            fn backend(&self) -> &'static str {
                self.inner().backend()
            }

            fn events(&self) -> broadcast::Receiver<StoreEvent> {
                StoreDecorator::events(self)
            }
        }
    }
    QueueStore {
        Admit: admit(sale: &SaleId, requests: &[AdmitRequest]) -> AdmitReply, Size::Requests(requests.len());
        AdmittedBuyers: admitted_buyers(sale: &SaleId, after: u64) -> Vec<u32>, Size::Unsized;
        LookUp: look_up(sale: &SaleId, tickets: &[TicketRef]) -> LookUpReply, Size::Requests(tickets.len());
        Cancel: cancel(sale: &SaleId, tickets: &[TicketRef]) -> Vec<CancelResult>, Size::Requests(tickets.len());
        Release: release(sale: &SaleId, tickets: &[TicketRef]) -> Vec<ReleaseResult>, Size::Requests(tickets.len());
    }
    WorkStore {
        SaleIds: sale_ids(after: Option<&SaleId>, limit: usize) -> Vec<SaleId>, Size::Unsized;
        Claim: claim(sale: &SaleId, request: ClaimRequest) -> Claim, Size::Entries(|claim: &Claim| claim.entries.len());
        Extend: extend(sale: &SaleId, leases: &[LeaseToken]) -> Vec<bool>, Size::Requests(leases.len());
        Settle: settle(sale: &SaleId, settlements: &[Settlement]) -> Vec<SettleResult>, Size::Requests(settlements.len());
        Recover: recover(sale: &SaleId) -> Recovery, Size::Unsized;
        Reconcile: reconcile(
            sale: &SaleId, orders: &[KnownOrder], repair: bool
        ) -> Vec<Finding>, Size::Requests(orders.len());
    }
    AdminStore {
        SupportsDurability: supports_durability(durability: Durability) -> bool, Size::Unsized;
        Configure: configure(
            sale: &SaleId, settings: &SaleSettings, precondition: Precondition
        ) -> ConfigureResult, Size::Unsized;
        Sales: sales(after: Option<&SaleId>, limit: usize) -> Vec<SaleSnapshot>, Size::Unsized;
        Close: close(sale: &SaleId) -> SaleSnapshot, Size::Unsized;
        Delete: delete(sale: &SaleId) -> DeleteResult, Size::Unsized;
        DeadLetters: dead_letters(sale: &SaleId, after: Seq, limit: usize) -> Vec<DeadLetter>, Size::Unsized;
        Redrive: redrive(sale: &SaleId, seqs: &[Seq]) -> Vec<bool>, Size::Requests(seqs.len());
        Discard: discard(sale: &SaleId, seqs: &[Seq]) -> Vec<bool>, Size::Requests(seqs.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let mut names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for (index, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, index);
        }
    }
}
