//! Whether the cost of a span depends on the number of spans before it.
//!
//! `cargo bench -p tracing-ledger-benches --bench growth -- --size 2000000 --plots .`
//!
//! First without a database, with a thousand to ten million spans, one process for each number: the cost on the thread
//! of the caller and of the writer, and the memory. Then once into a table that grows to `--size` rows in twenty steps.

#[expect(dead_code, reason = "the bench `ingest` uses more of it")]
mod postgres;

use std::time::{Duration, Instant};

use postgres::Server;
use tracing::Dispatch;
use tracing_ledger::{Overflow, builder};
use tracing_ledger_benches::cost::{Cost, memory, thread_cpu};
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::plot::Plot;
use tracing_ledger_benches::rounds::{Samples, Variant, in_turns};
use tracing_ledger_benches::stores::{Dead, Discard};
use tracing_ledger_benches::workload::{huge, quote};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use uuid::Uuid;

/// The timeout of every wait, much longer than any should take.
const PATIENCE: Duration = Duration::from_secs(600);

const EVENTS: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// Spans between two waits for the writer: fewer than the queue holds.
const BURST: u64 = 10_000;
const STEPS: u64 = 20;

fn main() {
    let options = BenchOptions::from_args(3, 2_000_000, "rows the table grows to");
    let mut variants: Vec<_> =
        EVENTS.map(|events| Variant::new(events.to_string(), move |_| discarded(events))).into();
    variants.push(Variant::new("1000000, the database away", |_| away(1_000_000, quote)));
    variants.push(Variant::new("100000 of 48 kB, the database away", |_| away(100_000, huge)));
    let samples = in_turns(&variants, &options);
    println!(
        "{} rounds; medians\n\n\
         | events | CPU per span, ns | writer's CPU per span, ns | most memory, MB |\n|---:|---:|---:|---:|",
        options.rounds
    );
    for (variant, samples) in variants.iter().zip(&samples) {
        let [caller, writer, memory] = [0, 1, 2].map(|figure| samples.median(figure));
        println!("| {} | {caller:.0} | {writer:.0} | {memory:.1} |", variant.name);
    }
    println!();
    draw_events(&options, &samples[..EVENTS.len()]);
    into_a_table(&options);
}

fn draw_events(options: &BenchOptions, samples: &[Samples<3>]) {
    let line = |figure| samples.iter().map(|samples| samples.median(figure)).collect();
    let plot = Plot {
        title: "Cost of an event, by how many there were",
        x: "events",
        y: "ns of CPU per event",
        places: EVENTS.map(|events| format!("10^{}", events.ilog10())).to_vec(),
        lines: vec![("the caller", line(0)), ("the writer", line(1))],
    };
    plot.write(options, "growth_events");
}

/// Sends that many spans into a store that discards rows.
fn discarded(events: u64) -> [f64; 3] {
    let (layer, guard) = builder().build_with(Discard::default()).expect("the defaults are sound");
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).expect("one subscriber to a process");
    quote(Uuid::nil()); // registers the callsite
    guard.flush(PATIENCE).expect("the store never fails");
    let before = thread_cpu("tracing-ledger").unwrap_or_default();
    let (mut caller, mut done) = (Cost::default(), 0);
    while done < events {
        let size = BURST.min(events - done);
        caller += burst(done, size, quote);
        guard.flush(PATIENCE).expect("the store never fails");
        done += size;
    }
    let writer = thread_cpu("tracing-ledger").unwrap_or_default() - before;
    assert_eq!(guard.stats().refused.total(), 0, "spans were lost: {}", guard.stats());
    [caller.cpu_ns as f64 / events as f64, writer.as_nanos() as f64 / events as f64, memory("VmHWM")]
}

/// Sends that many spans without a database: the queue fills and then refuses them.
fn away(events: u64, workload: fn(Uuid)) -> [f64; 3] {
    let (layer, _guard) = builder().build_with(Dead).expect("the defaults are sound");
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).expect("one subscriber to a process");
    let caller = burst(0, events, workload);
    let writer = thread_cpu("tracing-ledger").unwrap_or_default();
    [caller.cpu_ns as f64 / events as f64, writer.as_nanos() as f64 / events as f64, memory("VmHWM")]
}

fn burst(from: u64, spans: u64, workload: fn(Uuid)) -> Cost {
    let before = Cost::so_far();
    (from..from + spans).for_each(|n| workload(Uuid::from_u64_pair(n, n)));
    Cost::so_far() - before
}

fn into_a_table(options: &BenchOptions) {
    let server = Server::start();
    let (layer, guard) =
        builder().overflow(Overflow::Block(PATIENCE)).build::<Registry>(server.url()).expect("a sound URL");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let step = options.size / STEPS;
    let mut rates = Vec::new();
    println!("one run, in {STEPS} steps\n");
    println!("| rows in the table | rows per second | server's CPU per row, µs |\n|---:|---:|---:|");
    let mut cpu = Duration::ZERO;
    for turn in 0..STEPS {
        let start = Instant::now();
        tracing::dispatcher::with_default(&dispatch, || burst(turn * step, step, quote));
        guard.flush(PATIENCE).expect("the server is up");
        let rate = step as f64 / start.elapsed().as_secs_f64();
        let spent = server.ledger_cpu() - cpu;
        cpu += spent;
        println!("| {} | {rate:.0} | {:.2} |", (turn + 1) * step, spent.as_secs_f64() * 1e6 / step as f64);
        rates.push(rate / 1000.0);
    }
    assert_eq!(server.rows(), options.size / STEPS * STEPS);
    let plot = Plot {
        title: "Rows per second as the table grows",
        x: "rows in the table, million",
        y: "thousand rows per second",
        places: (1..=STEPS).map(|turn| place(turn, step)).collect(),
        lines: vec![("tracing-ledger", rates)],
    };
    plot.write(options, "growth_table");
}

/// Labels every fourth step with its number of rows.
fn place(turn: u64, step: u64) -> String {
    if turn.is_multiple_of(4) { format!("{:.1}", (turn * step) as f64 / 1e6) } else { String::new() }
}
