use super::*;

const INTERVAL: Duration = Duration::from_secs(2);

fn sale(name: &str) -> SaleId {
    name.parse().unwrap()
}

fn busy(waiting: u64) -> Backlog {
    Backlog {
        waiting,
        in_flight: 1,
        dead: 0,
        next_claim_in: Some(Duration::ZERO),
        next_expiry_in: Some(INTERVAL * 10),
    }
}

fn queue(names: &[&str]) -> (SaleQueue, Instant) {
    let now = Instant::now();
    let mut queue = SaleQueue::new(INTERVAL);
    for name in names {
        queue.wake(&sale(name), now, now);
    }
    (queue, now)
}

/// Lets sales claim in turn; `brings` is the number of entries that a claim of a sale returns. Returns
/// the totals.
fn take_turns(
    queue: &mut SaleQueue,
    turns: usize,
    now: Instant,
    brings: impl Fn(&SaleId) -> usize,
) -> HashMap<SaleId, usize> {
    let mut totals = HashMap::new();
    for _ in 0..turns {
        let sale = queue.start_claim().unwrap();
        let entries = brings(&sale);
        *totals.entry(sale.clone()).or_default() += entries;
        queue.claimed(&sale, entries, &busy(1_000), now);
    }
    totals
}

#[test]
fn sales_get_the_same_number_of_entries_whatever_the_size_of_their_claims() {
    let (mut queue, now) = queue(&["small", "large"]);
    let totals = take_turns(&mut queue, 1_000, now, |id| if id == &sale("large") { 100 } else { 3 });
    let (small, large) = (totals[&sale("small")], totals[&sale("large")]);
    assert!(small.abs_diff(large) <= 100, "small {small}, large {large}");
}

#[test]
fn a_new_sale_starts_at_the_current_virtual_time() {
    let (mut queue, now) = queue(&["old"]);
    take_turns(&mut queue, 100, now, |_| 10);
    queue.wake(&sale("new"), now, now);
    let totals = take_turns(&mut queue, 20, now, |_| 10);
    assert_eq!((totals[&sale("old")], totals[&sale("new")]), (100, 100));
}

#[test]
fn a_sale_without_backlog_is_removed_unless_it_was_woken_during_the_call() {
    let (mut queue, now) = queue(&["a"]);
    let id = queue.start_claim().unwrap();
    queue.wake(&id, now, now);
    queue.claimed(&id, 0, &Backlog::default(), now);
    assert_eq!(queue.start_claim(), Some(id.clone()), "a wake-up during a claim leads to another");
    queue.claimed(&id, 0, &Backlog::default(), now);
    assert_eq!((queue.contenders(), queue.sales.len(), queue.next_timer()), (0, 0, None));
}

#[test]
fn a_claim_waits_until_the_time_that_the_store_returned() {
    let (mut queue, now) = queue(&["paced"]);
    let id = queue.start_claim().unwrap();
    let wait = Duration::from_millis(300);
    queue.claimed(&id, 1, &Backlog { next_claim_in: Some(wait), ..busy(9) }, now);
    assert!(!queue.has_turns());
    assert_eq!(queue.next_timer(), Some(now + wait));
    queue.fire_timers(now + wait);
    assert_eq!(queue.start_claim(), Some(id));
}

#[test]
fn an_empty_claim_is_not_repeated_immediately() {
    let (mut queue, now) = queue(&["a"]);
    let id = queue.start_claim().unwrap();
    queue.claimed(&id, 0, &busy(1), now);
    assert!(!queue.has_turns());
    assert_eq!(queue.next_timer(), Some(now + MIN_RETRY_INTERVAL));
}

#[test]
fn a_sale_is_probed_when_its_first_lease_expires_and_at_every_interval() {
    let (mut queue, now) = queue(&["a"]);
    let id = queue.start_claim().unwrap();
    let in_flight = |expiry| Backlog { in_flight: 1, next_expiry_in: Some(expiry), ..Backlog::default() };
    queue.claimed(&id, 1, &in_flight(INTERVAL / 2), now);
    let later = now + INTERVAL / 2;
    assert_eq!(queue.next_timer(), Some(later));
    queue.fire_timers(later);
    assert_eq!(queue.start_probe(), Some(id.clone()));
    queue.probed(&id, &in_flight(INTERVAL * 7), later);
    assert_eq!(queue.next_timer(), Some(later + INTERVAL));
}

#[test]
fn a_probe_that_is_due_during_claims_is_made() {
    let (mut queue, now) = queue(&["a"]);
    let id = queue.start_claim().unwrap();
    queue.claimed(&id, 1, &Backlog { next_expiry_in: Some(Duration::ZERO), ..busy(100) }, now);
    let mut later = now;
    for _ in 0..5 {
        later += MIN_RETRY_INTERVAL;
        assert_eq!(queue.start_claim(), Some(id.clone()));
        queue.fire_timers(later);
        queue.claimed(&id, 1, &Backlog { next_expiry_in: Some(Duration::ZERO), ..busy(100) }, later);
    }
    assert_eq!(queue.start_probe(), Some(id));
}

#[test]
fn the_sweep_probes_only_sales_without_a_timer() {
    let (mut queue, now) = queue(&["blocked", "ready"]);
    let blocked = queue.start_claim().unwrap();
    let held_up = Backlog { waiting: 5, ..Backlog::default() };
    queue.claimed(&blocked, 0, &held_up, now);
    let now = now + INTERVAL;
    queue.fire_timers(now);
    while let Some(known) = queue.start_probe() {
        let backlog = if known == blocked { held_up } else { busy(5) };
        queue.probed(&known, &backlog, now);
    }
    assert_eq!(queue.next_timer(), Some(now + INTERVAL), "only the ready one has a timer");
    for name in ["blocked", "ready", "unknown"] {
        queue.probe_if_idle(&sale(name), now);
    }
    assert_eq!(queue.queued_probes(), 2);
    assert_eq!(queue.start_probe(), Some(sale("blocked")));
    assert_eq!(queue.start_probe(), Some(sale("unknown")));
    queue.probed(&sale("unknown"), &Backlog::default(), now);
    assert!(!queue.sales.contains_key(&sale("unknown")), "an idle sale is removed");
}

#[test]
fn a_failed_call_is_retried_after_its_backoff() {
    let (mut queue, now) = queue(&["a"]);
    for failures in 1..4_u64 {
        let id = queue.start_claim().unwrap();
        let at = now + Duration::from_millis(failures);
        queue.failed(&id, |count| Duration::from_millis(u64::from(count)), now);
        assert_eq!(queue.next_timer(), Some(at));
        assert_eq!(queue.claims_in_flight(), 0);
        queue.fire_timers(at);
    }
}

#[test]
fn removing_a_sale_leaves_no_entry() {
    let (mut queue, now) = queue(&["a", "b", "c"]);
    queue.start_claim().unwrap();
    queue.wake(&sale("d"), now + INTERVAL, now);
    for name in ["a", "b", "c", "d"] {
        queue.remove(&sale(name));
    }
    assert_eq!((queue.contenders(), queue.sales.len(), queue.next_timer()), (0, 0, None));
    assert_eq!((queue.start_claim(), queue.start_probe()), (None, None));
}
