//! What a span costs the thread that enters and closes it, under this crate's layer and under its peers.
//!
//! `cargo bench -p tracing-ledger-benches --bench close_span -- --rounds 15 --size 200000`
//!
//! The floor is the least a layer must do to time a span: keep an `Instant` with it, and read it at the close.

use std::hint::black_box;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::Subscriber;
use tracing_appender::non_blocking::NonBlocking;
use tracing_ledger::{Guard, LedgerLayer, builder};
use tracing_ledger_benches::cost::{Cost, CountingAllocator};
use tracing_ledger_benches::floor::{self, Stopwatch};
use tracing_ledger_benches::options::Options;
use tracing_ledger_benches::rounds::{Samples, Variant, in_turns};
use tracing_ledger_benches::stores::{Dead, Discard};
use tracing_ledger_benches::workload::{carries, of_no_rule, quote, unwanted};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Spans between two waits for the variant's own thread: fewer than any of its queues holds, since a span that
/// is dropped for want of room costs less than one that is kept.
const BURST: u64 = 10_000;

/// How long a burst may take to get through: far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);

/// A variant, and the one it is compared with.
struct Row {
    base: &'static str,
    variant: Variant<2>,
}

fn main() {
    let options = Options::from_args(15, 200_000, "spans in each process");
    let tables = [recorded(), away(), unnamed()];
    let sizes = tables.each_ref().map(Vec::len);
    let (bases, variants): (Vec<_>, Vec<_>) =
        tables.into_iter().flatten().map(|row| (row.base, row.variant)).unzip();
    let samples = in_turns(&variants, &options);
    println!(
        "{} rounds of {} spans; CPU time of the calling thread, medians (fastest and slowest round)\n",
        options.rounds, options.size
    );
    let mut next = 0;
    for size in sizes {
        println!("| variant | ns per span | compared | allocations per span |\n|---|---:|---:|---:|");
        for at in next..next + size {
            let base = variants.iter().position(|variant| variant.name == bases[at]).expect("a variant");
            println!("{}", line(&variants[at].name, &samples[at], bases[at], &samples[base]));
        }
        println!();
        next += size;
    }
}

fn line(name: &str, samples: &Samples<2>, base: &str, of_base: &Samples<2>) -> String {
    let (fastest, slowest) = samples.extremes(0);
    format!(
        "| {name} | {:.0} ({fastest:.0} to {slowest:.0}) | {:.2} × {base} | {:.2} |",
        samples.median(0),
        samples.ratio(of_base, 0),
        samples.median(1)
    )
}

fn row(name: &str, base: &'static str, measure: impl Fn(u64) -> [f64; 2] + 'static) -> Row {
    Row { base, variant: Variant::new(name, measure) }
}

/// A span that somebody wants.
fn recorded() -> Vec<Row> {
    vec![
        row("no subscriber", "floor", |spans| measure(spans, |_| {})),
        row("Registry alone", "floor", registry_alone),
        row("floor", "floor", floor),
        row("filtered floor", "floor", filtered_floor),
        row("tracing-ledger", "floor", ledger),
        row("tracing-opentelemetry", "floor", open_telemetry),
        row("fmt, JSON, non-blocking", "floor", json_lines),
    ]
}

/// The same with a database that takes nothing.
fn away() -> Vec<Row> {
    vec![
        row("the database away, room in the queue", "tracing-ledger", |spans| {
            // As many as there are, so that it never fills.
            dead(spans, usize::try_from(2 * BURST + spans).expect("a number of spans"))
        }),
        row("the queue full", "tracing-ledger", |spans| dead(spans, 1000)),
    ]
}

/// A span that no rule names, in a program with the ledger and without.
fn unnamed() -> Vec<Row> {
    let without = |workload| move |spans| bystander(spans, workload);
    let alone = |workload| {
        move |spans| {
            let _guard = install_ledger(Registry::default());
            bystander(spans, workload)
        }
    };
    let beside = |workload| {
        move |spans| {
            let _guard = install_ledger(filtered_fmt());
            bystander(spans, workload)
        }
    };
    let fmt = |workload| {
        move |spans| {
            install(filtered_fmt());
            bystander(spans, workload)
        }
    };
    vec![
        row("of no rule, no subscriber", "of no rule, no subscriber", without(of_no_rule)),
        row("of no rule, the ledger alone", "of no rule, no subscriber", alone(of_no_rule)),
        row("of no rule, fmt", "of no rule, fmt", fmt(of_no_rule)),
        row("of no rule, fmt and the ledger", "of no rule, fmt", beside(of_no_rule)),
        row("of no rule, fmt and a layer that wants nothing", "of no rule, fmt", |spans| {
            install(filtered_fmt().with(Stopwatch.with_filter(LevelFilter::OFF)));
            bystander(spans, of_no_rule)
        }),
        row("wanted by nobody, fmt", "wanted by nobody, fmt", fmt(unwanted)),
        row("wanted by nobody, fmt and the ledger", "wanted by nobody, fmt", beside(unwanted)),
        row("carries a field, no subscriber", "carries a field, no subscriber", without(carries)),
        row("carries a field, the ledger alone", "carries a field, no subscriber", alone(carries)),
    ]
}

/// Runs the workload in bursts and calls `settle` after each, outside of the measurement, with the number of
/// spans so far: it waits until the variant's own thread has them all.
fn measure(spans: u64, mut settle: impl FnMut(u64)) -> [f64; 2] {
    let mut cost = Cost::default();
    burst(BURST, quote); // warms caches and callsites
    settle(BURST);
    let mut done = 0;
    while done < spans {
        let size = BURST.min(spans - done);
        cost += burst(size, quote);
        done += size;
        settle(BURST + done);
    }
    cost.per(spans)
}

/// As [`measure`], of another workload, which nobody has to get through.
fn bystander(spans: u64, workload: fn(Uuid)) -> [f64; 2] {
    burst(BURST, workload);
    burst(spans, workload).per(spans)
}

fn burst(spans: u64, workload: fn(Uuid)) -> Cost {
    let before = Cost::so_far();
    for n in 0..spans {
        workload(black_box(Uuid::from_u64_pair(n, n)));
    }
    Cost::so_far() - before
}

fn install(subscriber: impl Subscriber + Send + Sync) {
    tracing::subscriber::set_global_default(subscriber).expect("one subscriber to a process");
}

fn registry_alone(spans: u64) -> [f64; 2] {
    install(tracing_subscriber::registry());
    measure(spans, |_| {})
}

fn floor(spans: u64) -> [f64; 2] {
    install(tracing_subscriber::registry().with(Stopwatch));
    measure(spans, |_| {})
}

fn filtered_floor(spans: u64) -> [f64; 2] {
    install(tracing_subscriber::registry().with(floor::filtered()));
    measure(spans, |_| {})
}

fn ledger(spans: u64) -> [f64; 2] {
    let store = Discard::default();
    let (layer, guard) = builder().build_with(store.clone()).expect("the defaults are sound");
    install(tracing_subscriber::registry().with(layer));
    measure(spans, |so_far| {
        guard.flush(PATIENCE).expect("the store never fails");
        assert_eq!(store.count.load(Ordering::Relaxed), so_far, "spans were lost: {}", guard.stats());
    })
}

/// A ledger with a queue of that size and no database.
fn dead(spans: u64, capacity: usize) -> [f64; 2] {
    let builder = builder().queue_capacity(capacity);
    let (layer, _guard) = builder.build_with(Dead).expect("the options are sound");
    install(tracing_subscriber::registry().with(layer));
    measure(spans, |_| {})
}

/// A ledger beside what is there, which has nothing to write.
fn install_ledger<S>(subscriber: S) -> Guard
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    LedgerLayer<S>: Layer<S>,
{
    let (layer, guard) = builder().build_with(Discard::default()).expect("the defaults are sound");
    install(subscriber.with(layer));
    guard
}

/// What most services have: lines for what is of some importance.
fn filtered_fmt() -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync {
    let filter = EnvFilter::new("info,some_crate=debug");
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(io::sink).with_filter(filter))
}

/// Counts what it is given and throws it away.
#[derive(Clone, Debug, Default)]
struct Exporter(Discard);

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn open_telemetry(spans: u64) -> [f64; 2] {
    let exporter = Exporter::default();
    let config = BatchConfigBuilder::default().with_max_queue_size(2 * BURST as usize).build();
    let processor = BatchSpanProcessor::builder(exporter.clone()).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("close_span"));
    install(tracing_subscriber::registry().with(layer));
    measure(spans, |so_far| {
        provider.force_flush().expect("the exporter never fails");
        assert_eq!(exporter.0.count.load(Ordering::Relaxed), so_far, "spans were dropped");
    })
}

fn json_lines(spans: u64) -> [f64; 2] {
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
