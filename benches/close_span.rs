//! What a span costs the thread that enters and closes it, under this crate's layer and under its peers.
//!
//! `cargo bench -p tracing-ledger-benches --bench close_span -- --rounds 15 --size 200000`
//!
//! The floor is the least a layer must do to time a span: keep an `Instant` with it, and read it at the close.

use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_ledger::Event;
use tracing_ledger::store::{Attempt, InsertError, Store};
use tracing_ledger_benches::cost::{Cost, CostPerRun, CountingAllocator};
use tracing_ledger_benches::rounds::{Variant, compare};
use tracing_ledger_benches::workload::quote;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Spans between two waits for the variant's own thread: fewer than any of its queues holds, since a span that
/// is dropped for want of room costs less than one that is kept.
const BURST: u64 = 10_000;

/// How long a burst may take to get through: far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let variants = [
        Variant { name: "no subscriber", measure: no_subscriber },
        Variant { name: "Registry alone", measure: registry_alone },
        Variant { name: "floor", measure: floor },
        Variant { name: "filtered floor", measure: filtered_floor },
        Variant { name: "tracing-ledger", measure: ledger },
        Variant { name: "tracing-opentelemetry", measure: open_telemetry },
        Variant { name: "fmt, JSON, non-blocking", measure: json_lines },
    ];
    compare(&variants, "floor")
}

/// Runs the workload in bursts and calls `settle` after each, outside of the measurement, with the number of
/// spans so far: it waits until the variant's own thread has them all.
fn measure(spans: u64, mut settle: impl FnMut(u64)) -> CostPerRun {
    let mut cost = Cost::default();
    burst(BURST); // warms caches and callsites
    settle(BURST);
    let mut done = 0;
    while done < spans {
        let size = BURST.min(spans - done);
        cost += burst(size);
        done += size;
        settle(BURST + done);
    }
    cost.per(spans)
}

fn burst(spans: u64) -> Cost {
    let before = Cost::so_far();
    for n in 0..spans {
        quote(black_box(Uuid::from_u64_pair(n, n)));
    }
    Cost::so_far() - before
}

fn install(subscriber: impl Subscriber + Send + Sync) {
    tracing::subscriber::set_global_default(subscriber).expect("one subscriber to a process");
}

fn no_subscriber(spans: u64) -> CostPerRun {
    measure(spans, |_| {})
}

fn registry_alone(spans: u64) -> CostPerRun {
    install(tracing_subscriber::registry());
    measure(spans, |_| {})
}

/// Keeps an `Instant` with each span and reads it at the close.
struct Stopwatch;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Stopwatch {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Instant::now());
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id) {
            black_box(span.extensions().get::<Instant>().map(Instant::elapsed));
        }
    }
}

fn floor(spans: u64) -> CostPerRun {
    install(tracing_subscriber::registry().with(Stopwatch));
    measure(spans, |_| {})
}

/// Wants every span, and is asked each time: the answer that survives other layers' filters.
struct Sometimes;

impl<S> Filter<S> for Sometimes {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
}

fn filtered_floor(spans: u64) -> CostPerRun {
    install(tracing_subscriber::registry().with(Stopwatch.with_filter(Sometimes)));
    measure(spans, |_| {})
}

/// Counts what it is given and throws it away.
#[derive(Clone, Debug, Default)]
struct Discard {
    count: Arc<AtomicU64>,
}

impl Store for Discard {
    async fn insert(&mut self, batch: &[Event], _: Attempt) -> Result<(), InsertError> {
        self.count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn ledger(spans: u64) -> CostPerRun {
    let store = Discard::default();
    let (layer, guard) = tracing_ledger::builder().build_with(store.clone()).expect("the defaults are sound");
    install(tracing_subscriber::registry().with(layer));
    measure(spans, |so_far| {
        guard.flush(PATIENCE).expect("the store never fails");
        assert_eq!(store.count.load(Ordering::Relaxed), so_far, "spans were lost: {}", guard.stats());
    })
}

impl SpanExporter for Discard {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn open_telemetry(spans: u64) -> CostPerRun {
    let exporter = Discard::default();
    let config = BatchConfigBuilder::default().with_max_queue_size(2 * BURST as usize).build();
    let processor = BatchSpanProcessor::builder(exporter.clone()).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("close_span"));
    install(tracing_subscriber::registry().with(layer));
    measure(spans, |so_far| {
        provider.force_flush().expect("the exporter never fails");
        assert_eq!(exporter.count.load(Ordering::Relaxed), so_far, "spans were dropped");
    })
}

fn json_lines(spans: u64) -> CostPerRun {
    let (writer, _guard) = NonBlocking::new(io::sink());
    let dropped = writer.error_counter();
    let layer = tracing_subscriber::fmt::layer::<Registry>()
        .json()
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(writer);
    install(tracing_subscriber::registry().with(layer));
    // The queue of 128 000 lines is behind by a few at most: writing to a sink is nothing beside formatting.
    measure(spans, |_| assert_eq!(dropped.dropped_lines(), 0, "lines were dropped"))
}
