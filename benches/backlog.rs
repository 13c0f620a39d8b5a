//! The replay of a full spool after a restart: the time to start, rows per second, and memory.
//!
//! `cargo bench -p tracing-ledger-benches --bench backlog -- --size 1000 --plots .`
//!
//! A separate process fills the spool without a database, because memory that it freed could hide the memory of the
//! replay. Then the bench starts its own PostgreSQL server.

#[expect(dead_code, reason = "the bench `ingest` uses more of it")]
mod postgres;

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use postgres::Server;
use tracing::Dispatch;
use tracing_ledger::{Builder, Guard, LedgerLayer, Overflow, builder};
use tracing_ledger_benches::cost::memory;
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::plot::Plot;
use tracing_ledger_benches::stores::Dead;
use tracing_ledger_benches::workload::quote;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use uuid::Uuid;

/// The timeout of every wait, much longer than any should take.
const PATIENCE: Duration = Duration::from_secs(600);
const MEGABYTE: u64 = 1_000_000;
const STEPS: u64 = 20;
/// The environment variable that gives the folder to the child that fills it.
const FILL: &str = "LEDGER_BENCH_FILL";
/// New rows that go through an empty spool, for comparison.
const FRESH: u64 = 500_000;

/// The progress of the replay at one moment.
struct BacklogStep {
    thousands_per_second: f64,
    megabytes: f64,
}

fn main() {
    let options = BenchOptions::from_args(1, 1000, "megabytes of the spool");
    if let Some(dir) = env::var_os(FILL) {
        println!("{}", fill(dir.as_ref(), options.size * MEGABYTE));
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let rows = filled(dir.path());
    let size = size(dir.path());
    let server = Server::start();
    let before = memory("VmRSS");
    let start = Instant::now();
    let (_layer, guard) = build(spooled(dir.path()), &server);
    let up = start.elapsed();
    let steps = replay(&guard, rows);
    let rate = rows as f64 / start.elapsed().as_secs_f64();
    guard.shutdown(PATIENCE).expect("everything is written");
    assert_eq!(server.rows(), rows, "rows were lost or doubled");
    let most = steps.iter().fold(0.0, |most: f64, step| most.max(step.megabytes));
    println!(
        "| backlog, MB | rows | start-up, ms | rows per second | the same, of new rows | resident before, MB | \
         at most, MB |\n|---:|---:|---:|---:|---:|---:|---:|\n\
         | {} | {rows} | {:.0} | {rate:.0} | {:.0} | {before:.0} | {most:.0} |",
        size / MEGABYTE,
        up.as_secs_f64() * 1e3,
        fresh(&server)
    );
    draw(&options, &steps);
}

fn spooled(dir: &Path) -> Builder {
    builder().overflow(Overflow::Block(PATIENCE)).spool_dir(dir).spool_limit(u64::MAX / 4)
}

fn build(builder: Builder, server: &Server) -> (LedgerLayer<Registry>, Guard) {
    builder.build(server.url()).expect("a sound URL")
}

/// Starts a child that fills the spool with the same options. Returns the number of rows.
fn filled(dir: &Path) -> u64 {
    let output = Command::new(env::current_exe().expect("a bench is a file"))
        .args(env::args_os().skip(1))
        .env(FILL, dir)
        .output()
        .expect("a bench starts itself");
    assert!(output.status.success(), "filling failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the number of rows")
}

/// Fills the spool to that many bytes. Returns the number of rows.
fn fill(dir: &Path, bytes: u64) -> u64 {
    let (layer, guard) = spooled(dir).build_with(Dead).expect("the options are sound");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let mut rows = 0;
    while size(dir) < bytes {
        calls(&dispatch, 10_000);
        rows += 10_000;
    }
    while guard.stats().spooled < rows {
        thread::sleep(Duration::from_millis(1));
    }
    // A longer timeout would only retry the store.
    guard.shutdown(Duration::ZERO).expect("the spool has everything");
    rows
}

fn calls(dispatch: &Dispatch, calls: u64) {
    tracing::dispatcher::with_default(dispatch, || {
        (0..calls).for_each(|n| quote(Uuid::from_u64_pair(n, n)));
    });
}

fn size(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).expect("a folder").flatten();
    files.map(|file| file.metadata().map_or(0, |file| file.len())).sum()
}

fn replay(guard: &Guard, rows: u64) -> Vec<BacklogStep> {
    let step = |step: u64| {
        let (start, before) = (Instant::now(), guard.stats().written);
        while guard.stats().written < rows * step / STEPS {
            thread::sleep(Duration::from_millis(1));
        }
        let written = (guard.stats().written - before) as f64;
        BacklogStep {
            thousands_per_second: written / start.elapsed().as_secs_f64() / 1e3,
            megabytes: memory("VmRSS"),
        }
    };
    (1..=STEPS).map(step).collect()
}

/// Rows per second that are new to the table.
fn fresh(server: &Server) -> f64 {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (layer, guard) = build(spooled(dir.path()), server);
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let start = Instant::now();
    calls(&dispatch, FRESH);
    guard.flush(PATIENCE).expect("the server is up");
    FRESH as f64 / start.elapsed().as_secs_f64()
}

fn draw(options: &BenchOptions, steps: &[BacklogStep]) {
    let plot = Plot {
        title: "Replay of a backlog",
        x: "of the backlog, %",
        y: "see the lines",
        places: (1..=STEPS)
            .map(|step| if step % 5 == 0 { (step * 100 / STEPS).to_string() } else { String::new() })
            .collect(),
        lines: vec![
            ("thousand rows per second", steps.iter().map(|step| step.thousands_per_second).collect()),
            ("resident memory, MB", steps.iter().map(|step| step.megabytes).collect()),
        ],
    };
    plot.write(options, "backlog");
}
