//! `Stats` go to a recorder of the `metrics` crate under OpenTelemetry's names. In a process of its own, as the recorder is
//! the whole program's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use support::{DEADLINE, alone};
use tracing_ledger::store::{Failure, Memory};
use tracing_subscriber::prelude::*;

/// Every metric, by its name and the label `error.type`.
static METRICS: LazyLock<Mutex<BTreeMap<String, Arc<AtomicU64>>>> = LazyLock::new(Mutex::default);

struct MetricsBook;

impl MetricsBook {
    fn cell(key: &Key) -> Arc<AtomicU64> {
        let label = |name| key.labels().find(|label| label.key() == name).map(metrics::Label::value);
        assert_eq!(label("otel.component.type"), Some("tracing_ledger"));
        assert_eq!(label("otel.component.name"), Some("tracing_ledger/0"));
        let name =
            [Some(key.name()), label("error.type")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        METRICS.lock().expect("no test panics with it").entry(name).or_default().clone()
    }
}

impl Recorder for MetricsBook {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Self::cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Self::cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("no histogram is known: {key}")
    }
}

fn value(name: &str) -> u64 {
    let metrics = METRICS.lock().expect("no test panics with it");
    metrics.get(name).unwrap_or_else(|| panic!("no {name} in {metrics:?}")).load(Ordering::Relaxed)
}

fn gauge(name: &str) -> f64 {
    f64::from_bits(value(name))
}

#[test]
fn stats_are_recorded_under_the_names_of_opentelemetry() {
    alone("metrics::stats_are_recorded_under_the_names_of_opentelemetry", record_the_account);
}

fn record_the_account() {
    metrics::set_global_recorder(MetricsBook).expect("it is the first");
    let memory = Memory::default();
    memory.fail_next(Failure::Quarantine, 1);
    let (layer, guard) =
        tracing_ledger::builder().queue_capacity(1000).build_with(memory).expect("the options are right");
    let dispatch = tracing_subscriber::registry().with(layer).into();
    tracing::dispatcher::with_default(&dispatch, || {
        tracing::info!(name: "auto_assign.started", "rejected");
        guard.flush(DEADLINE).expect("memory is there");
        (0..10).for_each(|number| tracing::info!(name: "auto_assign.started", number));
    });
    guard.shutdown(DEADLINE).expect("memory is there");

    let processed = "otel.sdk.processor.span.processed";
    assert_eq!(value(processed), 10);
    assert_eq!(value(&format!("{processed} quarantined")), 1);
    for error in ["queue_full", "already_shutdown", "forked", "corrupt"] {
        assert_eq!(value(&format!("{processed} {error}")), 0, "{error}");
    }
    assert_eq!(gauge("otel.sdk.processor.span.queue.size"), 0.0);
    assert_eq!(gauge("otel.sdk.processor.span.queue.capacity"), 1000.0);
    assert_eq!(gauge("tracing_ledger.spool.size"), 0.0);
}
