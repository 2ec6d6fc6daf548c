//! A sale from its creation to its end, through every command, against `inrush up`.

use serde_json::Value;

use crate::support::{Service, Up, command, eventually, inrush, run_with_input};

#[test]
fn a_sale_from_creation_to_deletion() {
    let up = Up::start("");
    let created = up.json("sale create phone-x --stock 10 --cap 12 --unit-limit 2 --hold fulfilment");
    assert_eq!(created["state"], "OPEN");
    assert_eq!((&created["stock"], &created["cap"]), (&Value::from(10), &Value::from(12)));
    assert_eq!(
        (&created["fulfilment_held"], &created["admission_held"]),
        (&Value::from(true), &Value::from(false))
    );

    let again = up.json("sale create phone-x --stock 10 --cap 12 --unit-limit 2 --hold fulfilment");
    assert_eq!(again["version"], created["version"], "repeating a creation changes nothing");
    up.inrush("sale create phone-x --stock 11").expect_error(1, &["phone-x", "sale update"]);
    let kept = up.json("sale create phone-x --stock 11 --if-absent");
    assert_eq!(
        (&kept["stock"], &kept["version"]),
        (&Value::from(10), &created["version"]),
        "the sale is unchanged"
    );

    let list = up.json("sale list");
    assert_eq!((list["sales"].as_array().unwrap().len(), &list["more"]), (1, &Value::from(false)));
    assert_eq!(up.json("sale show phone-x"), list["sales"][0]);

    let updated = up.json("sale update phone-x --stock 20 --cap none --pace 500/s");
    assert_eq!(
        (&updated["stock"], &updated["pace"]["tickets_per_second"]),
        (&Value::from(20), &Value::from(500.0))
    );
    let stale = format!("sale update phone-x --stock 30 --if-version {}", created["version"]);
    up.inrush(&stale).expect_error(1, &["version", "inrush sale show"]);
    assert_eq!(up.json("sale show phone-x")["stock"], 20, "a stale update changes nothing");

    assert_eq!(up.json("sale hold phone-x")["state"], "HELD");
    let refused = up.json("ticket enqueue phone-x alice");
    assert_eq!((&refused["outcome"], &refused["reason"]), (&Value::from("refused"), &Value::from("HELD")));
    assert_eq!(up.json("sale resume phone-x --part admission")["state"], "OPEN");

    let alice = up.json("ticket enqueue phone-x alice --units 2");
    assert_eq!((&alice["outcome"], &alice["status"]["position"]), (&Value::from("queued"), &Value::from(1)));
    let ticket = alice["ticket"].as_str().unwrap();
    let repeated = up.json("ticket enqueue phone-x alice --units 2");
    assert_eq!((&repeated["ticket"], &repeated["repeated"]), (&alice["ticket"], &Value::from(true)));
    up.inrush("ticket enqueue phone-x bob --units 3").expect_code(0);
    let limit = up.json("ticket enqueue phone-x bob --units 3");
    assert_eq!((&limit["reason"], &limit["unit_limit"]), (&Value::from("UNIT_LIMIT"), &Value::from(2)));

    let shown = up.json(&format!("ticket show {ticket}"));
    assert_eq!((&shown["state"], &shown["position"]), (&Value::from("WAITING"), &Value::from(1)));
    let from_input = run_with_input(command(&format!("ticket show - --json --server {}", up.front)), ticket);
    assert_eq!(from_input.json()["ticket_id"], shown["ticket_id"]);

    let cancelled = up.json(&format!("ticket cancel {ticket}"));
    assert_eq!(
        (&cancelled["cancelled"], &cancelled["status"]["state"]),
        (&Value::from(true), &Value::from("CANCELLED"))
    );
    let ledger = up.json("sale show phone-x")["ledger"].clone();
    assert_eq!((&ledger["cancelled"]["units"], &ledger["free_units"]), (&Value::from(2), &Value::from(20)));

    up.inrush("sale delete phone-x").expect_error(1, &["not closed", "inrush sale close"]);
    assert_eq!(up.json("sale close phone-x")["state"], "CLOSED");
    assert_eq!(up.json("ticket enqueue phone-x carol")["reason"], "CLOSED");
    assert_eq!(up.json("sale delete phone-x")["deleted"], true);
    up.inrush("sale show phone-x").expect_error(1, &["phone-x", "inrush sale list"]);
    assert_eq!(up.service.stop(), Some(0));
}

#[test]
fn a_sale_that_is_created_again_sells_its_whole_stock() {
    let up = Up::start("");
    for (round, buyers) in [(1, ["ada", "bob"].as_slice()), (2, &["carol", "dan", "ada"])] {
        let stock = buyers.len();
        up.json(&format!("sale create phone-x --stock {stock}"));
        for buyer in buyers {
            assert_eq!(up.json(&format!("ticket enqueue phone-x {buyer}"))["outcome"], "queued");
        }
        eventually("everything is sold", || {
            let ledger = up.json("sale show phone-x")["ledger"].clone();
            assert_eq!(ledger["rejected"]["tickets"], 0, "in round {round}");
            (ledger["ordered"]["tickets"] == stock).then_some(())
        });
        up.json("sale close phone-x");
        let again = format!("sale create phone-x --stock {stock}");
        up.inrush(&again).expect_error(1, &["closed", "inrush sale delete"]);
        assert_eq!(up.json(&format!("{again} --if-absent"))["state"], "CLOSED");
        up.json("sale delete phone-x");
    }
    assert_eq!(up.service.stop(), Some(0));
}

#[test]
fn an_order_is_created_watched_and_released() {
    let up = Up::start("");
    up.json("sale create phone-x --stock 5");
    let ran = up.inrush("ticket enqueue phone-x alice --units 1 --payload red --watch --json").expect_code(0);
    let changes: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = changes.last().unwrap();
    assert_eq!(last["state"], "ORDERED", "{changes:#?}");
    assert!(last["order_id"].is_string(), "{last}");

    let ticket = changes[0]["ticket"].as_str().unwrap();
    up.inrush(&format!("ticket cancel {ticket}")).expect_error(1, &["too late", "ORDERED"]);
    let ticket_id = last["ticket_id"].as_str().unwrap();
    let released = up.json(&format!("ticket release {ticket_id}"));
    assert_eq!(
        (&released["status"]["state"], &released["repeated"]),
        (&Value::from("RELEASED"), &Value::from(false))
    );
    assert_eq!(up.json(&format!("ticket release {ticket_id}"))["repeated"], true);
    assert_eq!(up.json("sale show phone-x")["ledger"]["free_units"], 5);
}

#[test]
fn text_in_a_pipe_has_tables_and_no_colour() {
    let up = Up::start("");
    assert!(
        up.inrush("sale list").expect_code(0).stdout.contains("inrush sale create"),
        "an empty list names the next command"
    );
    up.inrush("sale create lunch --cap 50_000 --hold fulfilment").expect_code(0);
    up.inrush("ticket enqueue lunch alice").expect_code(0);
    let list = up.inrush("sale list").expect_code(0).stdout;
    assert!(list.contains("SALE") && list.contains("lunch") && list.contains("OPEN"), "{list}");
    let shown = up.inrush("sale show lunch").expect_code(0).stdout;
    assert!(shown.contains("up to 50,000 units wait") && shown.contains("fulfilment held"), "{shown}");
    assert!(!list.contains('\u{1b}') && !shown.contains('\u{1b}'));
    let refused = up.inrush("ticket enqueue lunch bob --units 9").expect_code(0).stdout;
    assert!(refused.contains("at most 1 unit"), "{refused}");
}

#[test]
fn a_watch_ends_with_the_sale_or_with_ctrl_c() {
    let up = Up::start("");
    up.json("sale create phone-x --stock 5 --hold fulfilment");
    let watch = format!("sale watch phone-x --every 100ms --server {}", up.front);
    let mut until_closed = Service::start(&watch);
    assert!(until_closed.line().contains(" OPEN admitted=0 "));
    let mut until_interrupted = Service::start(&format!("{watch} --json"));
    let first: Value = serde_json::from_str(&until_interrupted.line()).unwrap();
    assert_eq!(first["state"], "OPEN");
    assert_eq!(until_interrupted.interrupt(), Some(0));

    up.json("ticket enqueue phone-x alice");
    assert!(until_closed.line().contains(" waiting=1 "));
    up.json("sale close phone-x");
    let last = until_closed.line();
    assert!(last.contains(" CLOSED ") && last.contains(" expired=1 "), "{last}");
    assert_eq!(until_closed.wait(), Some(0));
}

#[test]
fn dead_letters_are_listed_redriven_and_discarded() {
    // The order system always answers with a retry, and the sale allows one attempt.
    let up = Up::start_with(&[("INRUSH_ORDERS_FAILURE_RATE", "1.0")], "");
    up.json("sale create phone-x --stock 5 --max-attempts 1");
    assert_eq!(up.json("sale dead-letters phone-x")["dead_letters"], Value::Array(Vec::new()));
    for buyer in ["alice", "bob", "carol"] {
        up.json(&format!("ticket enqueue phone-x {buyer}"));
    }
    let dead = |count: usize| {
        eventually("the number of dead letters", || {
            let letters = up.json("sale dead-letters phone-x")["dead_letters"].clone();
            (letters.as_array()?.len() == count).then_some(letters)
        })
    };
    let letters = dead(3);
    assert_eq!((&letters[0]["buyer_id"], &letters[0]["seq"]), (&Value::from("alice"), &Value::from(1)));
    assert_eq!(up.json("sale redrive phone-x 1 99")["redriven"], Value::from(vec![1]));
    dead(3);
    assert_eq!(up.json("sale discard phone-x 2")["discarded"], Value::from(vec![2]));
    let rest = up.inrush("sale discard phone-x --all").expect_code(0);
    assert_eq!(rest.stdout.trim(), "2 dead letters discarded");
    assert_eq!(up.json("sale show phone-x")["ledger"]["rejected"]["tickets"], 3);
    assert!(up.inrush("sale dead-letters phone-x").expect_code(0).stdout.contains("no dead letters"));
}

#[test]
fn an_unreachable_front_is_reported_with_the_remedy() {
    for words in ["sale list", "ticket show abc"] {
        inrush(&format!("{words} --server http://127.0.0.1:1"))
            .expect_error(1, &["cannot reach Inrush", "http://127.0.0.1:1", "inrush up", "--server"]);
    }
    inrush("ticket enqueue phone-x alice --payload-file /nowhere").expect_error(2, &["cannot read /nowhere"]);
    inrush("sale list --server localhost").expect_error(2, &["http://host:port"]);
}

#[test]
fn what_is_wrong_with_a_request_is_named() {
    let up = Up::start("");
    up.inrush("sale create Phone --stock 1").expect_error(1, &["sale_id", "a-z"]);
    up.inrush("sale create phone-x").expect_error(1, &["cap", "stock"]);
    up.inrush("ticket show nonsense").expect_error(1, &["ticket"]);
    up.inrush("ticket enqueue phone-z alice").expect_error(1, &["phone-z", "inrush sale list"]);
}
