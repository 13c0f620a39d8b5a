//! The account as metrics, for a recorder of the `metrics` crate.
//!
//! Names and meanings are those of OpenTelemetry for span processors, as far as they go:
//! <https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/> (status: development). The table stands with
//! [`Stats`]. A recorder may be installed before the ledger is built or after.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Label, SharedString, counter, gauge};

use crate::queue::Stats;

/// How often they are reported.
const INTERVAL: Duration = Duration::from_secs(1);

const PROCESSED: &str = "otel.sdk.processor.span.processed";
const QUEUE_SIZE: &str = "otel.sdk.processor.span.queue.size";
const QUEUE_CAPACITY: &str = "otel.sdk.processor.span.queue.capacity";
const SPOOL_SIZE: &str = "tracing_ledger.spool.size";

/// The metrics of one ledger.
pub(super) struct Metrics {
    /// `otel.component.name`: which of the ledgers of the process, by the order they were built in.
    name: SharedString,
    reported_at: Option<Instant>,
}

impl Default for Metrics {
    fn default() -> Self {
        static LEDGERS: AtomicU64 = AtomicU64::new(0);
        let number = LEDGERS.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("tracing_ledger/{number}").into(), reported_at: None }
    }
}

impl Metrics {
    /// Records them, when it is time to.
    pub(super) fn report_if_due(&mut self, stats: &Stats, queue_capacity: u64) {
        if self.reported_at.is_none_or(|at| at.elapsed() >= INTERVAL) {
            // First, so that a recorder that panics is not asked again at once.
            self.reported_at = Some(Instant::now());
            self.report(stats, queue_capacity);
        }
    }

    pub(super) fn report(&self, stats: &Stats, queue_capacity: u64) {
        counter!(PROCESSED, self.labels()).absolute(stats.written);
        for (error, records) in [
            ("queue_full", stats.refused.queue_full + stats.dropped.evicted),
            ("already_shutdown", stats.refused.shutdown),
            ("forked", stats.refused.forked),
            ("corrupt", stats.dropped.corrupt),
            ("quarantined", stats.quarantined),
        ] {
            let mut labels = self.labels();
            labels.push(Label::from_static_parts("error.type", error));
            counter!(PROCESSED, labels).absolute(records);
        }
        gauge!(QUEUE_SIZE, self.labels()).set(stats.in_flight as f64);
        gauge!(QUEUE_CAPACITY, self.labels()).set(queue_capacity as f64);
        gauge!(SPOOL_SIZE, self.labels()).set(stats.spooled as f64);
    }

    fn labels(&self) -> Vec<Label> {
        vec![
            Label::from_static_parts("otel.component.type", "tracing_ledger"),
            Label::new("otel.component.name", self.name.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, Unit};

    use super::*;

    /// Every metric by its name and the label `error.type`.
    #[derive(Default)]
    struct Book(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Book {
        fn cell(&self, key: &Key) -> Arc<AtomicU64> {
            let error = key.labels().find(|label| label.key() == "error.type").map_or("", Label::value);
            let name = format!("{} {error}", key.name());
            self.0.lock().expect("no test panics with it").entry(name).or_default().clone()
        }

        fn value(&self, name: &str) -> u64 {
            let metrics = self.0.lock().expect("no test panics with it");
            metrics.get(name).unwrap_or_else(|| panic!("no {name} in {metrics:?}")).load(Ordering::Relaxed)
        }
    }

    impl Recorder for Book {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.cell(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.cell(key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn every_figure_has_its_metric() {
        let mut stats = Stats { written: 1, quarantined: 2, in_flight: 3, spooled: 4, ..Stats::default() };
        (stats.refused.queue_full, stats.refused.shutdown, stats.refused.forked) = (10, 20, 30);
        (stats.dropped.evicted, stats.dropped.corrupt) = (100, 200);
        let book = Book::default();
        metrics::with_local_recorder(&book, || Metrics::default().report(&stats, 5));
        for (error, records) in [
            ("", 1),
            ("quarantined", 2),
            ("queue_full", 110),
            ("already_shutdown", 20),
            ("forked", 30),
            ("corrupt", 200),
        ] {
            assert_eq!(book.value(&format!("{PROCESSED} {error}")), records, "{error}");
        }
        for (gauge, value) in [(QUEUE_SIZE, 3.0), (SPOOL_SIZE, 4.0), (QUEUE_CAPACITY, 5.0)] {
            assert_eq!(f64::from_bits(book.value(&format!("{gauge} "))), value, "{gauge}");
        }
    }
}
