//! Fields taken from enclosing spans.

use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Dispatch, info_span};
use tracing_ledger::Rules;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

use support::{DEADLINE, Ledger};

const BOOKING: &str = "0190e6a4-0000-7000-8000-000000000001";

fn quote() {
    info_span!("auto_assign.quote", success = true).in_scope(|| ());
}

#[test]
fn the_nearest_span_that_has_the_field_gives_it() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            let _request = info_span!("request", trigger = "far", booking_id = %BOOKING).entered();
            let _flow = info_span!("flow", trigger = "near", flow = "inline").entered();
            let _unrelated = info_span!("unrelated", depth = 3).entered();
            quote();
        });
        let row = ledger.quote();
        assert_eq!((row.get("trigger"), row.get("flow")), (&json!("near"), &json!("inline")));
        assert_eq!(row.booking_id.as_deref(), Some(BOOKING));
    });
}

#[test]
fn the_spans_own_field_comes_first() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let _flow = info_span!("flow", trigger = "creation").entered();
        info_span!("auto_assign.quote", trigger = "modification", success = true).in_scope(|| ());
    });
    assert_eq!(ledger.quote().get("trigger"), "modification");
}

#[test]
fn a_declared_field_nobody_filled_is_inherited() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let _flow = info_span!("flow", trigger = "creation").entered();
        info_span!("auto_assign.quote", trigger = Empty, success = true).in_scope(|| ());
    });
    assert_eq!(ledger.quote().get("trigger"), "creation");
}

#[test]
fn a_field_recorded_late_is_inherited_too() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let flow = info_span!("flow", trigger = Empty);
        flow.in_scope(|| {
            let call = info_span!("auto_assign.quote", success = true).entered();
            flow.record("trigger", "late");
            drop(call);
        });
    });
    assert_eq!(ledger.quote().get("trigger"), "late");
}

#[test]
fn each_call_inherits_what_is_known_when_it_ends() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let flow = info_span!("flow", trigger = "first", booking_id = Empty).entered();
        quote();
        quote();
        flow.record("trigger", "second");
        quote();
        flow.record("booking_id", tracing::field::display(BOOKING));
        quote();
    });
    let rows = ledger.rows_of("auto_assign.quote");
    let triggers: Vec<_> = rows.iter().map(|row| row.get("trigger")).collect();
    assert_eq!(triggers, ["first", "first", "second", "second"]);
    let bookings: Vec<_> = rows.iter().map(|row| row.booking_id.as_deref()).collect();
    assert_eq!(bookings, [None, None, None, Some(BOOKING)]);
}

#[test]
fn calls_of_other_kinds_inherit_each_the_fields_that_they_lack() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let _flow =
            info_span!("flow", trigger = "creation", flow = "inline", booking_id = %BOOKING).entered();
        quote();
        info_span!("auto_assign.quote", trigger = "own", success = true).in_scope(|| ());
        quote();
    });
    let rows = ledger.rows_of("auto_assign.quote");
    let triggers: Vec<_> = rows.iter().map(|row| row.get("trigger")).collect();
    assert_eq!(triggers, ["creation", "own", "creation"]);
    for row in rows {
        assert_eq!((row.get("flow"), row.booking_id.as_deref()), (&json!("inline"), Some(BOOKING)));
    }
}

#[test]
fn a_span_that_reuses_the_place_of_an_earlier_one_gives_its_own_fields() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        for trigger in ["creation", "modification"] {
            info_span!("flow", trigger).in_scope(quote);
        }
    });
    let rows = ledger.rows_of("auto_assign.quote");
    let triggers: Vec<_> = rows.iter().map(|row| row.get("trigger")).collect();
    assert_eq!(triggers, ["creation", "modification"]);
}

#[test]
fn a_call_below_many_spans_inherits_from_the_nearest() {
    fn nested(depth: u32, work: &dyn Fn()) {
        match depth {
            0 => work(),
            _ => info_span!("flow", trigger = depth).in_scope(|| nested(depth - 1, work)),
        }
    }
    let ledger = Ledger::memory();
    ledger.run(|| {
        nested(40, &quote);
        nested(2, &quote);
    });
    let rows = ledger.rows_of("auto_assign.quote");
    let triggers: Vec<_> = rows.iter().map(|row| row.get("trigger")).collect();
    assert_eq!(triggers, [1, 1]);
}

#[test]
fn the_flow_of_a_call_within_a_job_is_job() {
    let ledger = Ledger::memory();
    ledger.run(|| info_span!("auto_assign.job", result = "succeeded", trigger = "creation").in_scope(quote));
    let row = ledger.quote();
    assert_eq!((row.get("flow"), row.get("trigger")), (&json!("job"), &json!("creation")));
}

#[test]
fn a_span_without_a_parent_has_a_row() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let _flow = info_span!("flow", trigger = "not mine").entered();
        info_span!(parent: None, "auto_assign.quote", success = true).in_scope(|| ());
    });
    assert_eq!(ledger.quote().get("trigger"), &Value::Null);
}

#[test]
fn an_explicit_parent_counts_not_the_current_span() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let mine = info_span!("flow", trigger = "mine");
        let _current = info_span!("flow", trigger = "current").entered();
        info_span!(parent: &mine, "auto_assign.quote", success = true).in_scope(|| ());
    });
    assert_eq!(ledger.quote().get("trigger"), "mine");
}

/// A layer that wants all spans, also those that the ledger does not follow.
struct Other;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Other {}

#[test]
fn a_row_of_an_event_inherits_from_the_parents_of_its_span_and_not_from_where_the_thread_is() {
    let memory = tracing_ledger::store::Memory::default();
    let (layer, guard) = tracing_ledger::builder().build_with(memory.clone()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(Other).with(layer), || {
        let mine = info_span!("flow", booking_id = "mine");
        let _foreign = info_span!("flow", booking_id = "foreign").entered();
        for step in [info_span!(parent: &mine, "step"), info_span!(parent: None, "step")] {
            step.in_scope(|| {
                tracing::info!(name: "auto_assign.started", "by where it is");
                quote();
            });
        }
        tracing::info!(name: "auto_assign.started", parent: &mine, "by its parent");
    });
    guard.flush(DEADLINE).expect("everything is written");
    let context = |event: &tracing_ledger::Row| serde_json::from_str::<Value>(&event.context).expect("JSON");
    let given: Vec<_> = memory.rows().iter().map(|event| context(event)["booking_id"].clone()).collect();
    assert_eq!(given, [json!("mine"), json!("mine"), Value::Null, Value::Null, json!("mine")]);
}

#[test]
fn a_parent_that_a_filter_hides_is_passed_over() {
    let memory = tracing_ledger::store::Memory::default();
    let (layer, guard) = tracing_ledger::builder().build_with::<Registry>(memory.clone()).expect("a ledger");
    let dispatch: Dispatch =
        tracing_subscriber::registry().with(layer).with(EnvFilter::new("trace,hidden=off")).into();
    tracing::dispatcher::with_default(&dispatch, || {
        let _far = info_span!("flow", trigger = "far").entered();
        let _hidden = info_span!(target: "hidden", "auto_assign.job", trigger = "hidden").entered();
        quote();
    });
    guard.flush(DEADLINE).expect("everything is written");
    let [row] = &memory.rows()[..] else { panic!("one row") };
    assert!(row.context.contains(r#""trigger":"far""#), "{}", row.context);
}

#[test]
fn a_rule_that_asks_for_no_carriers_inherits_from_named_spans_only() {
    let rules: Rules = r#"
        [[rule]]
        span = "call"
        inherit = ["tenant"]
        [[rule]]
        span = "named"
        [[rule]]
        span = "other"
        inherit = ["tenant"]
        inherit_from = ["car*"]
    "#
    .parse()
    .expect("good rules");
    let ledger = Ledger::memory_with(tracing_ledger::builder().rules(rules));
    ledger.run(|| {
        let _named = info_span!("named", tenant = "from named").entered();
        let _carrier = info_span!("carrier", tenant = "from carrier").entered();
        let _plain = info_span!("plain", tenant = "from plain").entered();
        info_span!("call").in_scope(|| ());
        info_span!("other").in_scope(|| ());
    });
    assert_eq!(ledger.rows_of("call")[0].get("tenant"), "from named");
    assert_eq!(ledger.rows_of("other")[0].get("tenant"), "from carrier");
}
