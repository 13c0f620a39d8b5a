//! The cost of a span to the thread that enters and closes it, with the layer of this crate and with its peers.
//!
//! `cargo bench -p tracing-ledger-benches --bench close_span -- --rounds 15 --size 200000`
//!
//! The floor is the least work of a layer that times spans: it stores an `Instant` in the span and reads it at the close.

use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing_appender::non_blocking::NonBlocking;
use tracing_ledger::store::Store;
use tracing_ledger::{Builder, Stats, builder};
use tracing_ledger_benches::cost::CountingAllocator;
use tracing_ledger_benches::floor::{self, Stopwatch};
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::spans::{BURST, SpanTable, TableRow, Workload, install, row, run};
use tracing_ledger_benches::stores::{Dead, Discard};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CALL: Workload = Workload::CALL;
const JOB: Workload = Workload::JOB;

fn main() {
    let options = BenchOptions::from_args(15, 200_000, "spans in each process");
    let tables = [
        SpanTable { title: "A job and its planner calls", rows: within_a_job() },
        SpanTable { title: "A planner call alone", rows: alone() },
        SpanTable { title: "Without a database", rows: away() },
    ];
    run(tables, &options);
}

fn within_a_job() -> Vec<TableRow> {
    const BASE: &str = "job: filtered floor";
    vec![
        row("job: floor", BASE, |spans| floor(JOB, spans)),
        row(BASE, BASE, |spans| filtered_floor(JOB, spans)),
        row("job: tracing-ledger", BASE, |spans| ledger(JOB, spans)),
        row("job: tracing-ledger, ids", "job: tracing-ledger", |spans| with_ids(JOB, spans)),
        row("job: tracing-opentelemetry", "job: tracing-ledger", |spans| open_telemetry(JOB, spans)),
        row("job: fmt, JSON, non-blocking", "job: tracing-ledger", |spans| json_lines(JOB, spans)),
    ]
}

fn alone() -> Vec<TableRow> {
    const BASE: &str = "filtered floor";
    vec![
        row("no subscriber", BASE, |spans| CALL.measure(spans, |_| {})),
        row("Registry alone", BASE, registry_alone),
        row("floor", BASE, |spans| floor(CALL, spans)),
        row(BASE, BASE, |spans| filtered_floor(CALL, spans)),
        row("tracing-ledger", BASE, |spans| ledger(CALL, spans)),
        row("tracing-ledger, ids", "tracing-ledger", |spans| with_ids(CALL, spans)),
        row("tracing-opentelemetry", "tracing-ledger", |spans| open_telemetry(CALL, spans)),
        row("fmt, JSON, non-blocking", "tracing-ledger", |spans| json_lines(CALL, spans)),
    ]
}

/// A planner call alone, with a database that takes no rows.
fn away() -> Vec<TableRow> {
    vec![
        row("a spool", "tracing-ledger", |spans| spooled(Discard::default(), spans)),
        row("a spool, the database away", "a spool", |spans| spooled(Dead, spans)),
        row("the queue full", "tracing-ledger", |spans| dead(spans, 1000)),
        row("the database away, a queue that never fills", "tracing-ledger", |spans| {
            dead(spans, usize::try_from(2 * BURST + spans).expect("a number of spans"))
        }),
    ]
}

fn registry_alone(spans: u64) -> [f64; 2] {
    install(tracing_subscriber::registry());
    CALL.measure(spans, |_| {})
}

fn floor(workload: Workload, spans: u64) -> [f64; 2] {
    install(tracing_subscriber::registry().with(Stopwatch));
    workload.measure(spans, |_| {})
}

fn filtered_floor(workload: Workload, spans: u64) -> [f64; 2] {
    install(tracing_subscriber::registry().with(floor::filtered()));
    workload.measure(spans, |_| {})
}

fn ledger(workload: Workload, spans: u64) -> [f64; 2] {
    settled(workload, spans, builder(), Discard::default(), |stats| stats.written)
}

/// With the ids that join rows.
fn with_ids(workload: Workload, spans: u64) -> [f64; 2] {
    settled(workload, spans, builder().ids(true), Discard::default(), |stats| stats.written)
}

/// With a spool and that store, which may be one that takes no rows.
fn spooled(store: impl Store, spans: u64) -> [f64; 2] {
    let dir = tempfile::tempdir().expect("a temporary folder");
    settled(CALL, spans, builder().spool_dir(dir.path()), store, |stats| stats.written + stats.spooled)
}

/// Waits after every burst until the spool or the store has all spans.
fn settled(
    workload: Workload,
    spans: u64,
    builder: Builder,
    store: impl Store,
    there: fn(&Stats) -> u64,
) -> [f64; 2] {
    let (layer, guard) = builder.build_with(store).expect("the options are sound");
    install(tracing_subscriber::registry().with(layer));
    workload.measure(spans, |so_far| {
        while there(&guard.stats()) < so_far {
            thread::sleep(Duration::from_millis(1));
        }
    })
}

/// A ledger with a queue of that size and without a database.
fn dead(spans: u64, capacity: usize) -> [f64; 2] {
    let builder = builder().queue_capacity(capacity);
    let (layer, _guard) = builder.build_with(Dead).expect("the options are sound");
    install(tracing_subscriber::registry().with(layer));
    CALL.measure(spans, |_| {})
}

/// Counts the spans and discards them.
#[derive(Clone, Debug, Default)]
struct Exporter(Discard);

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn open_telemetry(workload: Workload, spans: u64) -> [f64; 2] {
    let exporter = Exporter::default();
    let config = BatchConfigBuilder::default().with_max_queue_size(2 * BURST as usize).build();
    let processor = BatchSpanProcessor::builder(exporter.clone()).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("close_span"));
    install(tracing_subscriber::registry().with(layer));
    workload.measure(spans, |so_far| {
        provider.force_flush().expect("the exporter never fails");
        assert_eq!(exporter.0.count.load(Ordering::Relaxed), so_far, "spans were dropped");
    })
}

fn json_lines(workload: Workload, spans: u64) -> [f64; 2] {
    let (writer, _guard) = NonBlocking::new(io::sink());
    let dropped = writer.error_counter();
    let layer = tracing_subscriber::fmt::layer::<Registry>()
        .json()
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(writer);
    install(tracing_subscriber::registry().with(layer));
    // The queue of 128 000 lines never fills: writing to a sink takes much less time than formatting.
    workload.measure(spans, |_| assert_eq!(dropped.dropped_lines(), 0, "lines were dropped"))
}
