//! Rows per second from the end of a span to a committed row, compared with `psql \copy` of the same rows in the
//! binary format, into the same table with its indexes. Each uses one connection, and they take turns.
//!
//! `cargo bench -p tracing-ledger-benches --bench ingest -- --rounds 9 --size 200000`
//!
//! The bench starts its own PostgreSQL server. One thread closes spans as fast as the ledger takes them: the bounded
//! queue makes the thread wait, so no span is lost.

mod postgres;

use std::time::{Duration, Instant};

use postgres::Server;
use tracing::Dispatch;
use tracing_ledger::{Builder, Overflow, builder};
use tracing_ledger_benches::cost::thread_cpu;
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::samples::{extremes, median};
use tracing_ledger_benches::workload::quote;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use uuid::Uuid;

/// The timeout of every wait, much longer than any should take.
const PATIENCE: Duration = Duration::from_secs(600);

const ROWS: &str = "rows.bin";

/// One way to load rows into the table.
struct IngestVariant {
    name: &'static str,
    load: fn(&Server, u64) -> IngestLoad,
}

/// The cost of one load.
#[derive(Clone, Copy)]
struct IngestLoad {
    wall: Duration,
    /// CPU time of the server's process for the connection.
    server: Duration,
    /// CPU time of the writer's thread.
    writer: Option<Duration>,
}

const VARIANTS: [IngestVariant; 4] = [
    IngestVariant { name: "psql \\copy, binary", load: by_psql },
    IngestVariant { name: "tracing-ledger", load: |server, rows| by_ledger(server, rows, builder()) },
    IngestVariant { name: "with a spool", load: spooled },
    IngestVariant {
        name: "batches of 1000",
        load: |server, rows| by_ledger(server, rows, builder().batch_size(1000)),
    },
];

fn main() {
    let options = BenchOptions::from_args(9, 200_000, "rows of each load");
    let server = Server::start();
    by_ledger(&server, options.size, builder());
    server.copy_out(ROWS);
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        let mut loads = VARIANTS.each_ref().map(|_| None);
        for turn in 0..VARIANTS.len() {
            let at = (round + turn) % VARIANTS.len();
            server.reset();
            loads[at] = Some((VARIANTS[at].load)(&server, options.size));
            assert_eq!(server.rows(), options.size, "{} lost rows or doubled some", VARIANTS[at].name);
        }
        rounds.push(loads.map(|load| load.expect("each had its turn")));
    }
    report(&rounds, &options);
}

fn spooled(server: &Server, rows: u64) -> IngestLoad {
    let dir = tempfile::tempdir().expect("a temporary folder");
    by_ledger(server, rows, builder().spool_dir(dir.path()))
}

fn by_psql(server: &Server, _: u64) -> IngestLoad {
    let start = Instant::now();
    let cpu = server.copy_in(ROWS);
    IngestLoad { wall: start.elapsed(), server: cpu, writer: None }
}

fn by_ledger(server: &Server, rows: u64, builder: Builder) -> IngestLoad {
    let (layer, guard) =
        builder.overflow(Overflow::Block(PATIENCE)).build::<Registry>(server.url()).expect("a sound URL");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let start = Instant::now();
    tracing::dispatcher::with_default(&dispatch, || {
        (0..rows).for_each(|n| quote(Uuid::from_u64_pair(n, n)));
    });
    guard.flush(PATIENCE).expect("the server is up");
    let wall = start.elapsed();
    let load = IngestLoad { wall, server: server.ledger_cpu(), writer: thread_cpu("tracing-ledger") };
    guard.shutdown(PATIENCE).expect("everything is written");
    load
}

fn report(rounds: &[[IngestLoad; VARIANTS.len()]], options: &BenchOptions) {
    println!(
        "{} rounds of {} rows; medians (slowest and fastest round)\n\n\
         | variant | rows per second | times psql | server's CPU per row, µs | writer's CPU per row, µs |\n\
         |---|---:|---:|---:|---:|",
        options.rounds, options.size
    );
    for (at, variant) in VARIANTS.iter().enumerate() {
        let loads: Vec<_> = rounds.iter().map(|round| round[at]).collect();
        let ratios = rounds.iter().map(|round| round[0].wall.as_secs_f64() / round[at].wall.as_secs_f64());
        println!("| {} | {}", variant.name, line(&loads, median(ratios), options.size as f64));
    }
}

fn line(loads: &[IngestLoad], ratio: f64, rows: f64) -> String {
    let rates = || loads.iter().map(|load| rows / load.wall.as_secs_f64());
    let (slowest, fastest) = extremes(rates());
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / rows;
    let writer = loads.iter().map(|load| load.writer.map(micros)).collect::<Option<Vec<_>>>();
    format!(
        "{:.0} ({slowest:.0} to {fastest:.0}) | {ratio:.2} | {:.2} | {} |",
        median(rates()),
        median(loads.iter().map(|load| micros(load.server))),
        writer.map_or_else(String::new, |times| format!("{:.2}", median(times))),
    )
}
