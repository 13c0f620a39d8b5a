//! The throughput of several threads that close spans, and the CPU time of the writer's thread: for calls alone and for
//! jobs with their calls.
//!
//! `cargo bench -p tracing-ledger-benches --bench contention -- --rounds 9 --size 400000 --plots .`
//!
//! The spans come in bursts that the queue holds. The bench waits for the writer after each burst and does not count the
//! wait. The floor is that of `close_span`.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tracing_ledger::builder;
use tracing_ledger_benches::cost::{Cost, thread_cpu};
use tracing_ledger_benches::floor;
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::plot::Plot;
use tracing_ledger_benches::rounds::{Samples, Variant, in_turns};
use tracing_ledger_benches::spans::{Workload, install};
use tracing_ledger_benches::stores::Discard;
use tracing_subscriber::layer::SubscriberExt;

const THREADS: [u64; 4] = [1, 2, 4, 8];

/// Spans of all threads between two waits for the writer: fewer than the queue holds.
const BURST: u64 = 40_000;

/// The timeout of a burst, much longer than it should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Million spans per second; nanoseconds of CPU for each span on its own thread, and on the writer's.
type Figures = [f64; 3];

fn main() {
    let options = BenchOptions::from_args(9, 400_000, "spans in each process");
    let mut variants = of("call", Workload::CALL);
    variants.extend(of("job", Workload::JOB));
    let samples = in_turns(&variants, &options);
    let (alone, within_a_job) = samples.split_at(2 * THREADS.len());
    println!("{} rounds of {} spans; medians", options.rounds, options.size);
    table("A planner call alone", alone);
    table("A job and its planner calls", within_a_job);
    draw(&options, alone);
}

/// The floor with each number of threads, then the ledger.
fn of(name: &str, workload: Workload) -> Vec<Variant<3>> {
    let floor = THREADS.map(|threads| {
        Variant::new(format!("{name}: floor {threads}"), move |spans| bare(workload, spans, threads))
    });
    let ledger = THREADS.map(|threads| {
        Variant::new(format!("{name}: ledger {threads}"), move |spans| ledger(workload, spans, threads))
    });
    floor.into_iter().chain(ledger).collect()
}

fn table(title: &str, samples: &[Samples<3>]) {
    let (floor, ledger) = samples.split_at(THREADS.len());
    println!(
        "\n### {title}\n\n\
         | threads | million spans per second | of the filtered floor | CPU per span, ns | \
         of the filtered floor | writer's CPU per span, ns |\n|---:|---:|---:|---:|---:|---:|"
    );
    for ((threads, floor), ledger) in THREADS.iter().zip(floor).zip(ledger) {
        println!(
            "| {threads} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} |",
            ledger.median(0),
            floor.median(0),
            ledger.median(1),
            floor.median(1),
            ledger.median(2)
        );
    }
}

fn draw(options: &BenchOptions, samples: &[Samples<3>]) {
    let (floor, ledger) = samples.split_at(THREADS.len());
    let rates = |samples: &[Samples<3>]| samples.iter().map(|samples| samples.median(0)).collect();
    let plot = Plot {
        title: "Spans closed by all threads together",
        x: "threads",
        y: "million per second",
        places: THREADS.map(|threads| threads.to_string()).to_vec(),
        lines: vec![("filtered floor", rates(floor)), ("tracing-ledger", rates(ledger))],
    };
    plot.write(options, "contention");
}

fn bare(workload: Workload, spans: u64, threads: u64) -> Figures {
    install(tracing_subscriber::registry().with(floor::filtered()));
    measure(workload, spans, threads, || {})
}

fn ledger(workload: Workload, spans: u64, threads: u64) -> Figures {
    let store = Discard::default();
    let (layer, guard) = builder().build_with(store.clone()).expect("the defaults are sound");
    install(tracing_subscriber::registry().with(layer));
    let figures = measure(workload, spans, threads, || {
        guard.flush(PATIENCE).expect("the store never fails");
    });
    assert_eq!(guard.stats().refused.total(), 0, "spans were lost: {}", guard.stats());
    figures
}

/// Runs the workload on so many threads in bursts. Calls `settle` after each burst, outside of the measurement.
fn measure(workload: Workload, spans: u64, threads: u64, settle: impl Fn()) -> Figures {
    let bursts = spans / BURST;
    let each = BURST / threads;
    let (mut wall, mut cpu) = (Duration::ZERO, Cost::default());
    burst(workload, threads, each); // warms caches and callsites
    settle();
    let writer = || thread_cpu("tracing-ledger").unwrap_or_default();
    let before = writer();
    for _ in 0..bursts {
        let (took, cost) = burst(workload, threads, each);
        wall += took;
        cpu += cost;
        settle();
    }
    let closed = (bursts * each * threads) as f64;
    let writer = (writer() - before).as_nanos() as f64;
    [closed / wall.as_secs_f64() / 1e6, cpu.cpu_ns as f64 / closed, writer / closed]
}

/// The time from the start of the first thread to the end of the last.
fn burst(workload: Workload, threads: u64, spans: u64) -> (Duration, Cost) {
    let start = Barrier::new(threads as usize);
    let run = || {
        start.wait();
        let began = Instant::now();
        let cost = workload.burst(spans);
        (began, Instant::now(), cost)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let ran: Vec<_> =
            running.into_iter().map(|thread| thread.join().expect("a workload does not panic")).collect();
        let began = ran.iter().map(|(began, ..)| *began).min().expect("there are threads");
        let ended = ran.iter().map(|(_, ended, _)| *ended).max().expect("there are threads");
        let mut sum = Cost::default();
        ran.into_iter().for_each(|(.., cost)| sum += cost);
        (ended - began, sum)
    })
}
