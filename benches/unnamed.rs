//! The cost of the ledger to spans without a rule.
//!
//! `cargo bench -p tracing-ledger-benches --bench unnamed -- --rounds 15 --size 200000`
//!
//! sqlx enables the feature `log` of tracing for the whole program. This disables its cost to a span again:
//!
//! `cargo bench -p tracing-ledger-benches --bench unnamed --features log-off`

use std::io;

use tracing::Subscriber;
use tracing_ledger::{Guard, LedgerLayer, builder};
use tracing_ledger_benches::cost::CountingAllocator;
use tracing_ledger_benches::floor::{self, Stopwatch};
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::spans::{SpanTable, TableRow, Workload, install, row, run};
use tracing_ledger_benches::stores::Discard;
use tracing_ledger_benches::workload::{carries, of_no_rule, unwanted};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A span with seven fields that no rule names.
const OF_NO_RULE: Workload = Workload { run: of_no_rule, spans: 1 };
/// A span below the level of every layer.
const UNWANTED: Workload = Workload { run: unwanted, spans: 1 };
/// A span with a field that calls within it would inherit.
const CARRIES: Workload = Workload { run: carries, spans: 1 };

fn main() {
    let options = BenchOptions::from_args(15, 200_000, "spans in each process");
    let tables = [
        SpanTable { title: "A span that no rule names", rows: of_no_rule_rows() },
        SpanTable { title: "A span that nobody wants", rows: unwanted_rows() },
        SpanTable { title: "A span of no rule with a field that rules inherit", rows: carries_rows() },
    ];
    run(tables, &options);
}

fn of_no_rule_rows() -> Vec<TableRow> {
    vec![
        row("no rule: no subscriber", "no rule: no subscriber", |spans| bare(OF_NO_RULE, spans)),
        row("no rule: the ledger", "no rule: no subscriber", |spans| alone(OF_NO_RULE, spans)),
        row("no rule: fmt", "no rule: fmt", |spans| beside_nothing(OF_NO_RULE, spans)),
        row("no rule: fmt, a layer that wants nothing", "no rule: fmt", |spans| {
            install(filtered_fmt().with(Stopwatch.with_filter(LevelFilter::OFF)));
            bare(OF_NO_RULE, spans)
        }),
        row("no rule: fmt, the ledger", "no rule: fmt", |spans| beside_fmt(OF_NO_RULE, spans)),
    ]
}

fn unwanted_rows() -> Vec<TableRow> {
    vec![
        row("unwanted: no subscriber", "unwanted: no subscriber", |spans| bare(UNWANTED, spans)),
        row("unwanted: the ledger", "unwanted: no subscriber", |spans| alone(UNWANTED, spans)),
        row("unwanted: fmt", "unwanted: fmt", |spans| beside_nothing(UNWANTED, spans)),
        row("unwanted: fmt, the ledger", "unwanted: fmt", |spans| beside_fmt(UNWANTED, spans)),
    ]
}

fn carries_rows() -> Vec<TableRow> {
    vec![
        row("carries: fmt", "carries: fmt", |spans| beside_nothing(CARRIES, spans)),
        row("carries: fmt, the ledger", "carries: fmt", |spans| beside_fmt(CARRIES, spans)),
        row("carries: filtered floor", "carries: filtered floor", |spans| {
            install(tracing_subscriber::registry().with(floor::filtered()));
            bare(CARRIES, spans)
        }),
        row("carries: the ledger", "carries: filtered floor", |spans| alone(CARRIES, spans)),
    ]
}

fn bare(workload: Workload, spans: u64) -> [f64; 2] {
    workload.measure(spans, |_| {})
}

fn alone(workload: Workload, spans: u64) -> [f64; 2] {
    let _guard = install_ledger(Registry::default());
    bare(workload, spans)
}

fn beside_nothing(workload: Workload, spans: u64) -> [f64; 2] {
    install(filtered_fmt());
    bare(workload, spans)
}

fn beside_fmt(workload: Workload, spans: u64) -> [f64; 2] {
    let _guard = install_ledger(filtered_fmt());
    bare(workload, spans)
}

/// Adds a ledger that writes no rows.
fn install_ledger<S>(subscriber: S) -> Guard
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    LedgerLayer<S>: Layer<S>,
{
    let (layer, guard) = builder().build_with(Discard::default()).expect("the defaults are sound");
    install(subscriber.with(layer));
    guard
}

/// The usual layer of a service: lines from a level on.
fn filtered_fmt() -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync {
    let filter = EnvFilter::new("info,some_crate=debug");
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(io::sink).with_filter(filter))
}
