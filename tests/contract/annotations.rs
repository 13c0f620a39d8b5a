//! Spans and events that ask for a row themselves, by fields.

use serde_json::{Value, json};
use support::{Ledger, StoredRow, only};
use tracing::field::Empty;
use tracing::{Level, Span, info, info_span, instrument, warn};
use tracing_ledger::{Rule, Rules};

#[derive(Debug)]
struct SoldOut;

impl std::fmt::Display for SoldOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sold out")
    }
}

#[instrument(err, ret(level = "trace"), fields(ledger.event = "orders.create"))]
fn create_order(order_id: u64) -> Result<u64, SoldOut> {
    if order_id == 0 { Err(SoldOut) } else { Ok(order_id) }
}

/// The columns that a record can name itself.
fn columns(row: &StoredRow) -> [&str; 3] {
    [&row.event_type, &row.source, &row.severity]
}

#[test]
fn a_function_that_names_its_event_has_a_row_with_the_standard_keys() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            create_order(7).expect("there are some left");
            create_order(0).expect_err("none is left");
        });
        let rows = ledger.rows_of("orders.create");
        let [returned, failed] = &rows[..] else { panic!("two rows, not {rows:#?}") };
        assert_eq!(columns(returned), ["orders.create", module_path!(), "info"]);
        assert_eq!(returned.keys(), ["duration_ms", "order_id", "outcome", "reason", "success"]);
        let of =
            |row: &StoredRow, keys: &[&str]| keys.iter().map(|key| row.get(key).clone()).collect::<Vec<_>>();
        let told = of(returned, &["order_id", "outcome", "reason", "success"]);
        assert_eq!(told, [json!(7), json!("ok"), Value::Null, json!(true)]);
        assert_eq!(failed.severity, "warning");
        assert_eq!(
            of(failed, &["outcome", "error", "success"]),
            [json!("error"), json!("sold out"), json!(false)]
        );
    });
}

/// The events of `err` and `ret` are rows here, and the span around them has its outcome all the same.
#[test]
fn a_rule_for_events_leaves_the_outcome_to_the_span() {
    let events = [Rule::event("*").level(Level::ERROR), Rule::event("*").target(module_path!())];
    for rule in events {
        let rules = Rules::builtin().preceded_by([rule.event_type("any")]).expect("sound rules");
        let ledger = Ledger::memory_with(tracing_ledger::builder().rules(rules));
        ledger.run(|| {
            for _ in 0..20 {
                create_order(7).expect("there are some left");
            }
            create_order(0).expect_err("none is left");
        });
        assert!(!ledger.rows_of("any").is_empty());
        let rows = ledger.rows_of("orders.create");
        let outcomes: Vec<_> = rows.iter().map(|row| row.get("outcome").clone()).collect();
        assert_eq!(outcomes, [vec![json!("ok"); 20], vec![json!("error")]].concat());
    }
}

#[test]
fn source_and_severity_are_fields_too_and_none_of_them_is_in_the_context() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let call = info_span!(
            "anything",
            ledger.event = "pay",
            ledger.source = "till",
            ledger.severity = "critical",
            amount = 3,
            success = true
        );
        call.in_scope(|| ());
    });
    let row = only(ledger.rows());
    assert_eq!(columns(&row), ["pay", "till", "critical"]);
    assert_eq!(row.keys(), ["amount", "duration_ms", "outcome", "reason", "success"]);
}

#[test]
fn the_names_may_be_recorded_late_and_differ_from_call_to_call() {
    #[instrument(fields(ledger.event = Empty, ledger.source = Empty, success = true))]
    fn handle(kind: &str) {
        Span::current()
            .record("ledger.event", kind)
            .record("ledger.source", tracing::field::display(kind.len()));
    }
    let ledger = Ledger::memory();
    ledger.run(|| ["a", "bb", "a", "", "\0"].map(handle));
    let rows = ledger.rows();
    let named: Vec<_> = rows.iter().map(|row| (row.event_type.as_str(), row.source.as_str())).collect();
    // A name that is empty is none.
    assert_eq!(named, [("a", "1"), ("bb", "2"), ("a", "1"), ("handle", "0"), ("\u{FFFD}", "1")]);
}

#[test]
fn an_event_that_names_itself_has_a_row() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        warn!(ledger.event = "stock.low", left = 2, "few are left");
        info!(name: "kept", { ledger.event = true }, "by its name");
        info!(ledger.event = false, "no row");
        info!("no row either");
    });
    let rows = ledger.rows();
    let [low, kept] = &rows[..] else { panic!("two rows, not {rows:#?}") };
    assert_eq!(columns(low), ["stock.low", module_path!(), "warning"]);
    assert_eq!(low.context, json!({ "left": 2, "message": "few are left" }));
    assert_eq!(kept.event_type, "kept");
}

#[test]
fn false_leaves_a_span_out_under_any_rule_and_its_fields_are_still_inherited() {
    let rule = Rule::span("*").inherit(["tenant"]);
    let builder = tracing_ledger::builder().rules(Rules::from_rules([rule]).expect("a sound rule"));
    let ledger = Ledger::memory_with(builder);
    ledger.run(|| {
        let left_out = info_span!("left_out", tenant = "t", ledger.event = Empty);
        let inner = info_span!(parent: &left_out, "inner");
        left_out.record("ledger.event", false);
        drop((inner, left_out));
        info_span!("text", ledger.event = %false);
    });
    let row = only(ledger.rows());
    assert_eq!((row.event_type.as_str(), row.get("tenant")), ("inner", &json!("t")));
    let stats = ledger.guard.stats();
    assert_eq!((stats.offered, stats.written), (1, 1), "a span that is left out is no loss");
}

mod shop {
    #[tracing::instrument(fields(success = true))]
    pub(super) fn sell() {}
}

fn spans_of_three_crates() {
    shop::sell();
    info_span!(target: "shop", "open", success = true);
    info_span!(target: "shop::till", "count", success = true, ledger.event = "till.count", ledger.source = "till");
    info_span!(target: "shop", "look", ledger.event = false);
    info!(target: "shop::till", { ledger.event = "till.empty" }, "an event");
    info!(target: "shop", "an event without a name");
    info_span!(target: "shopping", "other", ledger.event = "other");
    info_span!(target: "my_till", "own", success = true);
}

#[test]
fn every_span_of_an_instrumented_crate_has_a_row() {
    let builder = tracing_ledger::builder().rules(Rules::new()).instrumented("shop").instrumented("my-till");
    let ledger = Ledger::memory_with(builder);
    ledger.run(spans_of_three_crates);
    let mut named: Vec<_> =
        ledger.rows().into_iter().map(|row| format!("{} of {}", row.event_type, row.source)).collect();
    named.sort_unstable();
    let wanted = ["open of shop", "own of my_till", "till.count of till", "till.empty of shop::till"];
    assert_eq!(named, wanted);
}

#[test]
fn the_modules_of_an_instrumented_crate_belong_to_it_and_other_rules_go_first() {
    let crate_name = module_path!().split("::").next().unwrap_or_default();
    let rule = Rule::span("sell").event_type("sale").target(format!("{}::shop", module_path!()));
    let builder = tracing_ledger::builder().rules(Rules::from_rules([rule]).expect("a sound rule"));
    let ledger = Ledger::memory_with(builder.instrumented(crate_name));
    ledger.run(|| {
        shop::sell();
        create_order(1).expect("there are some left");
    });
    let named: Vec<_> = ledger.rows().into_iter().map(|row| row.event_type).collect();
    assert_eq!(named, ["sale", "orders.create"]);
}

#[test]
fn an_instrumented_crate_has_a_name() {
    let builder = tracing_ledger::builder().instrumented(" ");
    let error = builder
        .build_with::<tracing_subscriber::Registry>(tracing_ledger::store::Memory::default())
        .expect_err("no crate has this name");
    assert!(error.is_config() && error.to_string().contains("CARGO_CRATE_NAME"), "{error}");
}
