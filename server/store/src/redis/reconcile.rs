//! Orders of the order system beside the tickets of a sale.

use inrush_core::{
    sale::SaleId,
    store::{Finding, KnownOrder, StoreError, check_batch_size},
};

use crate::ahead;

use super::{
    key_hints::QueueState,
    keys::{Keys, fingerprint, segment_of},
    reply::Reply,
    script::{Call, ScriptName},
    store::RedisStore,
    worker_ops::truncate,
};

impl RedisStore {
    /// [`WorkStore::reconcile`](inrush_core::store::WorkStore::reconcile).
    pub(super) async fn reconcile_orders(
        &self,
        sale: &SaleId,
        orders: &[KnownOrder],
        repair: bool,
    ) -> Result<Vec<Finding>, StoreError> {
        check_batch_size(orders.len())?;
        let findings = self.compare_orders(sale, orders, repair).await?;
        match ahead::latest(orders, &findings) {
            Some(ticket) if repair => {
                self.renew(sale, self.latest_of(sale, &[ticket])).await?;
                Ok(ahead::repeated(findings, self.compare_orders(sale, orders, repair).await?))
            }
            Some(_) | None => Ok(findings),
        }
    }

    async fn compare_orders(
        &self,
        sale: &SaleId,
        orders: &[KnownOrder],
        repair: bool,
    ) -> Result<Vec<Finding>, StoreError> {
        let build = |state| self.build_reconcile(sale, orders, repair, state);
        let (state, mut reply) = self.run_with_hints(sale, &[], build).await?;
        let findings: Vec<Finding> =
            orders.iter().map(|_| read_finding(&mut reply)).collect::<Result<_, _>>()?;
        Ok(ahead::judge(orders, findings, state.last_seq, self.time()))
    }

    fn build_reconcile(
        &self,
        sale: &SaleId,
        orders: &[KnownOrder],
        repair: bool,
        state: QueueState,
    ) -> Result<Call<'_>, StoreError> {
        let keys = Keys(sale);
        let page = state.admit_page();
        let mut call = self
            .call(ScriptName::Reconcile, 10 + 5 * orders.len())?
            .with(keys.sale())
            .with(keys.marker())
            .with(keys.claimed())
            .with(keys.retries())
            .with(keys.dead())
            .with(keys.reasons())
            .with(keys.cancel_tree())
            .with(keys.adopted())
            .with(keys.admitted(page))
            .with(keys.admitted(page + 1));
        for KnownOrder { ticket, buyer, .. } in orders {
            let segment = segment_of(ticket.seq);
            call.add(keys.buyers_of(buyer.hash32(), state.buckets));
            call.add(keys.queue(segment));
            call.add(keys.cancelled(segment));
            call.add(keys.restored(segment));
            call.add(keys.outcomes_of(ticket.seq));
        }
        call.add(sale.as_str());
        call.add(u8::from(repair));
        call.add(page);
        call.add(state.buckets);
        call.add(state.epoch);
        call.add(state.last_seq);
        for KnownOrder { ticket, buyer, units, order_id, released } in orders {
            call.add(ticket.epoch);
            call.add(ticket.seq);
            call.add(units);
            call.add(fingerprint(buyer).as_slice());
            call.add(buyer.hash32().to_be_bytes().as_slice());
            call.add(buyer.as_str());
            call.add(format!("{}{}", if *released { "L" } else { "O" }, truncate(order_id)));
        }
        Ok(call)
    }
}

fn read_finding(reply: &mut Reply) -> Result<Finding, StoreError> {
    Ok(match reply.signed()? {
        0 => Finding::Foreign,
        -1 => Finding::Same,
        -2 => Finding::Pending,
        -3 => Finding::OtherOrder,
        -4 => Finding::OtherBuyer,
        -5 => Finding::ReleasedOnlyHere,
        -6 => Finding::EndedHere,
        -7 => Finding::Ahead,
        -8 => Finding::Repeated,
        -9 => Finding::Unreadable,
        code => Finding::Settled { was: reply.state(code)? },
    })
}
