//! Scripts with one mistake each. Every mistake must be detected within a bounded number of operations; the scripts
//! without a mistake must pass the same procedure.

use inrush_store::redis::ScriptSources;

use super::{Pair, RedisServer, compare, runtime, scenario::Mix};

/// A mistake is detected within so many operations, and correct scripts pass as many.
const MAX_OPERATIONS: u64 = 10_000;

/// The scenarios are the same in every run, so that a mistake that shows once shows always.
const SEED: u64 = 2026;

/// A mistake: one replacement in this script (or include).
struct Mistake {
    what: &'static str,
    script: &'static str,
    from: &'static str,
    to: &'static str,
    mix: Mix,
}

const fn mistake(what: &'static str, script: &'static str, from: &'static str, to: &'static str) -> Mistake {
    Mistake { what, script, from, to, mix: Mix::Ordinary }
}

impl Mistake {
    /// It shows only after tickets were lost.
    const fn after_a_loss(self) -> Self {
        Self { mix: Mix::Losses, ..self }
    }

    /// It shows only in queues that are longer than a segment.
    const fn at_a_cut(self) -> Self {
        Self { mix: Mix::LongLines, ..self }
    }
}

const MISTAKES: &[Mistake] = &[
    mistake(
        "one unit too many is admitted",
        "admit",
        "elseif wanted > free or last",
        "elseif wanted > free + 1 or last",
    ),
    mistake(
        "any earlier ticket is superseded",
        "admit",
        "if known and known ~= superseded[i] then",
        "if known and not superseded[i] then",
    ),
    mistake(
        "a batch is cut one entry too early at the end of a segment",
        "admit",
        "* SEGMENT - first + 1)",
        "* SEGMENT - first)",
    )
    .at_a_cut(),
    mistake(
        "units are given back each time a ticket is cancelled",
        "cancel",
        "elseif cancelled[seq] or redis.call('GETBIT', bitmap, bit_of(seq)) == 1 then",
        "elseif cancelled[seq] then",
    ),
    mistake(
        "a cancellation is lost",
        "cancel",
        "redis.call('SETBIT', bitmap, bit_of(seq), 1)",
        "redis.call('GETBIT', bitmap, bit_of(seq))",
    ),
    mistake(
        "a cancellation that frees the first unit is not announced",
        "cancel",
        "announce_if_reopened(sale, free_before, ARGV[1])",
        "",
    ),
    mistake(
        "cancelled tickets are taken off a position twice",
        "look_up",
        "bitmap, seq) - skipped)",
        "bitmap, seq))",
    ),
    mistake(
        "the latest retry is claimed first",
        "claim",
        "'-inf', now, 'BYSCORE', 'LIMIT'",
        "now, '-inf', 'BYSCORE', 'REV', 'LIMIT'",
    ),
    mistake("no lease is written", "claim", "redis.call('ZADD', KEYS[4], deadline, block_member(block))", ""),
    mistake("no lease is written for a retry", "claim", "redis.call('ZADD', KEYS[4], unpack(leases))", ""),
    mistake(
        "each ticket of a block is counted as one unit",
        "claim",
        "single_units = queue_units == queue_tickets",
        "single_units = true",
    ),
    mistake(
        "a ticket of a block is settled twice",
        "include/block",
        "block.held[index] = NOT_HELD",
        "block.held[index] = HELD",
    ),
    mistake(
        "a block that has ended keeps its lease",
        "include/block",
        "redis.call('ZREM', leases, block_member(block))",
        "",
    ),
    mistake(
        "a ticket with a longer lease stays in its block",
        "extend",
        "remove_from_block(block, index)",
        "",
    ),
    mistake(
        "a block is extended for the sake of some of its tickets",
        "extend",
        "if count == block.left then",
        "if true then",
    ),
    mistake(
        "the pace is ignored",
        "claim",
        "wanted = math.min(wanted, math.floor(bucket_level(sale, now) / TICKET))",
        "wanted = tonumber(ARGV[3])",
    ),
    mistake(
        "one claim takes more than the stock has",
        "claim",
        "uncommitted = uncommitted - units",
        "uncommitted = uncommitted",
    ),
    mistake(
        "what is in flight is not taken from the stock",
        "include/ledger",
        "return sale.retrying_units + sale.in_flight_units + sale",
        "return sale.retrying_units + sale",
    ),
    mistake(
        "the cursor is off by one at the end of a segment",
        "claim",
        "(segment + 1) * SEGMENT - sale.cursor)",
        "(segment + 1) * SEGMENT - sale.cursor - 1)",
    )
    .at_a_cut(),
    mistake(
        "any fence extends the lease of a retry",
        "extend",
        "state == 'P' and fence == tonumber(wanted_fence)",
        "state == 'P'",
    ),
    mistake(
        "any fence settles a retry",
        "settle",
        "record_fence ~= tonumber(fence) or gone[word]",
        "gone[word]",
    ),
    mistake("a retry is settled twice in one batch", "settle", "or gone[word] or not units", "or not units"),
    mistake(
        "a lease that ends now is not taken back",
        "recover",
        "'-inf', now, 'BYSCORE'",
        "'-inf', '(' .. digits(now), 'BYSCORE'",
    ),
    mistake(
        "a reclaimed ticket is due at the time of the clock",
        "recover",
        "units, expiry, NO_ANSWER",
        "units, now, NO_ANSWER",
    ),
    mistake(
        "one attempt too many is made",
        "include/attempt",
        "attempt >= sale.max_attempts",
        "attempt > sale.max_attempts",
    ),
    mistake("an order is released twice in one batch", "release", "if released[mark] then", "if false then")
        .after_a_loss(),
    mistake(
        "a redriven ticket has one attempt less",
        "redrive",
        "record_head('W', sale.fence, 0)",
        "record_head('W', sale.fence, 1)",
    ),
    mistake(
        "a page of the dead begins with the last of the page before",
        "dead_letters",
        "'(' .. ARGV[1]",
        "ARGV[1]",
    ),
    mistake(
        "units of expired tickets still wait",
        "close",
        "sale.waiting_units = sale.retrying_units",
        "sale.retrying_units = sale.retrying_units",
    ),
    mistake(
        "a bucket overflows",
        "include/pace",
        "return math.min(sale.tokens + elapsed * sale.pace, sale.burst * TICKET)",
        "return sale.tokens + elapsed * sale.pace",
    ),
    mistake("no history is another one", "include/history", "if history ~= known then", "if false then"),
    mistake(
        "a store that is behind its caller goes on",
        "include/history",
        "return seen_epoch > epoch or (seen_epoch == epoch and tonumber(seen_last_seq) > last_seq)",
        "return false",
    ),
    mistake(
        "an epoch is the one before plus one",
        "include/new_epoch",
        "return millis * HISTORY_BITS + history % HISTORY_BITS",
        "return math.max(previous, now * HISTORY_BITS + history % HISTORY_BITS) + (previous > 0 and 1 or 0)",
    ),
    mistake(
        "the boundary of an epoch is one too high",
        "renew",
        "sale.epoch, sale.last_seq, { sale.past }",
        "sale.epoch, sale.last_seq + 1, { sale.past }",
    ),
    mistake(
        "an epoch begins one seq too early",
        "renew",
        "sale.last_seq = next_first - 1",
        "sale.last_seq = next_first - 2",
    ),
    mistake("fences are given again", "renew", "math.max(sale.epoch, sale.fence + 1)", "sale.fence"),
    mistake(
        "a ticket is restored for two buyers",
        "restore",
        "\n        or redis.call('GETBIT', ticket.restored, bit_of(ticket.seq)) == 1 then",
        " then",
    ),
    mistake(
        "a buyer with a ticket restores another",
        "restore",
        "if known and known ~= ticket.superseded then",
        "if false then",
    ),
    mistake(
        "a restored ticket gets the place of the one before",
        "restore",
        "ticket.seq - first, ticket.entry",
        "math.max(ticket.seq - first - 1, 0), ticket.entry",
    )
    .after_a_loss(),
    mistake(
        "new buyers are admitted while tickets are restored",
        "admit",
        "elseif restoring_until >= 0 and now < restoring_until then",
        "elseif false then",
    ),
    mistake(
        "the queue is claimed while tickets are restored",
        "include/lost",
        "if restoring then",
        "if false then",
    ),
    mistake(
        "seqs that were set aside count in positions",
        "include/lost",
        "lost = lost + epoch.next_first - 1 - epoch.last",
        "lost = lost + 0",
    )
    .after_a_loss(),
    mistake(
        "a restored ticket is counted as one that was set aside",
        "restore",
        "put_back(ticket)\n        by_segment[segment] = (by_segment[segment] or 0) - 1",
        "put_back(ticket)\n        by_segment[segment] = by_segment[segment] or 0",
    )
    .after_a_loss(),
    mistake(
        "an order of another buyer settles a ticket",
        "reconcile",
        "elseif units ~= order.units or buyer_of(text, start) ~= order.buyer then",
        "elseif units ~= order.units then",
    )
    .after_a_loss(),
    mistake(
        "an order of other units settles a ticket",
        "reconcile",
        "elseif units ~= order.units or buyer_of(",
        "elseif buyer_of(",
    )
    .after_a_loss(),
    mistake(
        "another order of a ticket is the same",
        "reconcile",
        "elseif state ~= 'J' and text ~= order.id then",
        "elseif false then",
    ),
    mistake("a comparison repairs", "reconcile", "\nif repair then\n    for", "\nif true then\n    for"),
    mistake(
        "a forgotten order is counted each time",
        "reconcile",
        "return adopted and compare(order, adopted) or IS_LOST",
        "return IS_LOST",
    )
    .after_a_loss(),
    mistake(
        "a ticket that left the queue counts in positions",
        "reconcile",
        "by_segment[segment] = (by_segment[segment] or 0) + 1",
        "by_segment[segment] = by_segment[segment] or 0",
    )
    .after_a_loss(),
    mistake(
        "a ticket that left the queue is claimed",
        "reconcile",
        "redis.call('SETBIT', order.cancelled, bit_of(order.seq), 1)",
        "",
    )
    .after_a_loss(),
    mistake(
        "a settled retry is claimed again",
        "reconcile",
        "redis.call('ZREM', KEYS[4], zset_member(order.seq))",
        "",
    )
    .after_a_loss(),
    mistake(
        "a forgotten order is not its buyer's",
        "reconcile",
        "if order.is_owned and latest_of(order) < order.seq then",
        "if false then",
    )
    .after_a_loss(),
    mistake(
        "orders of one run take the same cancelled ticket twice",
        "reconcile",
        "cancelled_tickets, cancelled_units = tickets, units",
        "",
    )
    .after_a_loss(),
    mistake(
        "an order of another buyer settles a cancelled ticket",
        "reconcile",
        "if latest_of(order) < order.seq or tickets < 0",
        "if tickets < 0",
    )
    .after_a_loss(),
    mistake(
        "an order of another buyer settles a rejected ticket",
        "reconcile",
        "return result == REJECTED and latest_of(order) < order.seq and OTHER_BUYER or result",
        "return result",
    )
    .after_a_loss(),
    mistake(
        "a ticket that is ahead is lost",
        "reconcile",
        "elseif place == AHEAD then\n        return IS_AHEAD",
        "elseif place == AHEAD then\n        return IS_LOST",
    )
    .after_a_loss(),
    mistake(
        "a cancellation does not wake a queue that the stock blocks",
        "cancel",
        "if uncommitted > 0 and uncommitted < sale.unit_limit and",
        "if false and",
    ),
];

/// Every mistake with the scripts that have it. A replacement that does not match is an error.
fn with_mistakes() -> Vec<(&'static Mistake, ScriptSources)> {
    let made: Vec<_> = MISTAKES
        .iter()
        .map(|mistake| {
            (mistake, ScriptSources::bundled().with_replaced(mistake.script, mistake.from, mistake.to))
        })
        .collect();
    let impossible: Vec<_> =
        made.iter().filter_map(|(mistake, scripts)| Some((mistake.what, scripts.as_ref().err()?))).collect();
    assert!(impossible.is_empty(), "these mistakes cannot be made: {impossible:#?}");
    made.into_iter().filter_map(|(mistake, scripts)| Some((mistake, scripts.ok()?))).collect()
}

#[test]
fn every_mistake_in_a_script_is_detected() {
    let runtime = runtime();
    let server = runtime.block_on(RedisServer::start());
    let mut hidden = Vec::new();
    for (number, (Mistake { what, mix, .. }, scripts)) in with_mistakes().into_iter().enumerate() {
        let pair = runtime.block_on(Pair::new(&server, scripts, &format!("mistake-{number}")));
        match compare(&runtime, &pair, *mix, SEED, MAX_OPERATIONS, 0) {
            Ok(()) => hidden.push(what),
            Err(_) => println!("{:>6} operations until it shows that {what}", pair.operations()),
        }
    }
    assert!(hidden.is_empty(), "these mistakes do not show within {MAX_OPERATIONS} operations: {hidden:#?}");
}

#[test]
fn scripts_without_a_mistake_pass_the_same_procedure() {
    let runtime = runtime();
    let server = runtime.block_on(RedisServer::start());
    for mix in [Mix::Ordinary, Mix::LongLines, Mix::Losses] {
        let name = format!("{mix:?}").to_lowercase();
        let pair = runtime.block_on(Pair::new(&server, ScriptSources::bundled(), &name));
        if let Err(counterexample) = compare(&runtime, &pair, mix, SEED, MAX_OPERATIONS, 0) {
            panic!("{}", counterexample.difference);
        }
    }
}
