//! The time of `tracing-ledger report`, compared with one query of the server by the same two keys, over the same rows.
//!
//! `cargo bench -p tracing-ledger-benches --bench report -- --rounds 3 --size 1000000 --plots .`
//!
//! The bench starts its own PostgreSQL server with its default settings and makes a hundred thousand rows, then ten times as many,
//! up to `--size`. The query and the reports take turns. Each report is a process of its own, whose memory is measured.

#[expect(dead_code, reason = "the bench `ingest` uses more of it")]
mod postgres;

use std::env;
use std::process::Command;
use std::time::Instant;

use postgres::Server;
use tracing_ledger::report::{Question, report};
use tracing_ledger_benches::cost::memory;
use tracing_ledger_benches::options::BenchOptions;
use tracing_ledger_benches::plot::Plot;
use tracing_ledger_benches::samples::median;

/// The environment variable that gives the database to a child, which makes one report. Its argument says which.
const URL: &str = "LEDGER_BENCH_REPORT_URL";
const BY_KEYS: &str = "by-keys";
const ALL: &str = "all";

const LEAST: u64 = 100_000;

/// An unlogged table is as large as a logged one, and is filled sooner.
const PREPARE: &str = "ALTER TABLE observability_events SET UNLOGGED; \
     DROP INDEX observability_events_source_idx, observability_events_booking_id_idx, \
     observability_events_event_type_created_at_idx";

/// Requests of a service over a month, with about 300 bytes of JSON each. Every call depends on its number alone.
const FILL: &str = "INSERT INTO observability_events (id, created_at, source, event_type, severity, context) \
     SELECT lpad(to_hex(i), 32, '0')::uuid, timestamptz '2026-01-01T00:00:00Z' + i * interval '0.25 seconds', 'api', \
     'http.request', CASE WHEN failed THEN 'error' ELSE 'info' END, \
     jsonb_build_object('method', (ARRAY['GET', 'POST', 'PUT'])[1 + h % 3], 'route', '/api/v1/resource-' || h / 3 % 8, \
     'status', CASE WHEN failed THEN 503 ELSE (ARRAY[200, 201, 404])[1 + h / 24 % 3] END, \
     'duration_ms', round((exp(1 + h % 10007 / 2000.0) * (1 + h % 13))::numeric, 3), \
     'success', NOT failed, 'outcome', CASE WHEN failed THEN 'error' ELSE 'ok' END, \
     'trace_id', md5((i / 3)::text), 'client', '10.0.' || h % 256 || '.' || h / 256 % 256, 'bytes', h % 65536) \
     || CASE WHEN failed THEN '{\"reason\": \"upstream timed out\"}'::jsonb ELSE '{}'::jsonb END \
     FROM (SELECT i, h, h % 50 = 0 AS failed FROM (SELECT i, abs(hashint8(i)::bigint) AS h \
     FROM generate_series($FROM::bigint, $TO) AS i) AS hashed) AS calls";

const QUERY: &str = "SELECT context->>'route', context->>'status', count(*), \
     percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY (context->>'duration_ms')::float8) \
     FROM observability_events WHERE event_type = 'http.request' GROUP BY 1, 2";

/// The times of one round in seconds, and the most memory of both reports in MB.
struct ReportRound {
    query: f64,
    by_keys: f64,
    all: f64,
    memory: f64,
}

fn main() {
    if let Ok(url) = env::var(URL) {
        return child(&url);
    }
    let options = BenchOptions::from_args(3, 1_000_000, "the most rows");
    let server = Server::start();
    server.psql(PREPARE);
    println!(
        "{} rounds; medians of the time, and of its ratio to the query in the same round\n\n\
         | rows | `percentile_cont` by two keys, s | report by the same keys, s | ratio | report of all, s | ratio | most memory, MB |\n\
         |---:|---:|---:|---:|---:|---:|---:|",
        options.rounds
    );
    let mut sizes = Vec::new();
    let mut size = LEAST;
    let mut before = 0;
    while size <= options.size {
        let range = FILL.replace("$FROM", &(before + 1).to_string()).replace("$TO", &size.to_string());
        server.psql(&range);
        server.psql("VACUUM ANALYZE observability_events; CHECKPOINT");
        let rounds: Vec<_> = (0..options.rounds).map(|number| round(&server, number)).collect();
        println!("| {size} | {}", line(&rounds));
        sizes.push((size, rounds));
        before = size;
        size *= 10;
    }
    draw(&options, &sizes);
}

/// Each round begins with another of the three, so that none always follows the same one.
fn round(server: &Server, number: usize) -> ReportRound {
    let mut round = ReportRound { query: 0.0, by_keys: 0.0, all: 0.0, memory: 0.0 };
    for turn in 0..3 {
        match (number + turn) % 3 {
            0 => {
                let start = Instant::now();
                server.psql(QUERY);
                round.query = start.elapsed().as_secs_f64();
            }
            1 => round.by_keys = in_a_process(server, BY_KEYS, &mut round.memory),
            _ => round.all = in_a_process(server, ALL, &mut round.memory),
        }
    }
    round
}

fn in_a_process(server: &Server, which: &str, most_memory: &mut f64) -> f64 {
    let program = env::current_exe().expect("the bench knows its own binary");
    let start = Instant::now();
    let output = Command::new(program).arg(which).env(URL, server.url()).output().expect("it starts");
    let time = start.elapsed().as_secs_f64();
    let memory =
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a child that prints its memory");
    *most_memory = most_memory.max(memory);
    time
}

fn child(url: &str) {
    let mut question = Question::new();
    if env::args().nth(1).as_deref() == Some(BY_KEYS) {
        let keys = question.event("http.request").by("route").and_then(|question| question.by("status"));
        question = keys.expect("the keys are sound");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(report(&question, &[url])).expect("a report");
    assert!(!answer.is_empty());
    println!("{}", memory("VmHWM"));
}

fn line(rounds: &[ReportRound]) -> String {
    let of = |figure: fn(&ReportRound) -> f64| median(rounds.iter().map(figure));
    format!(
        "{:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} |",
        of(|round| round.query),
        of(|round| round.by_keys),
        of(|round| round.by_keys / round.query),
        of(|round| round.all),
        of(|round| round.all / round.query),
        of(|round| round.memory)
    )
}

fn draw(options: &BenchOptions, sizes: &[(u64, Vec<ReportRound>)]) {
    let values = |figure: fn(&ReportRound) -> f64| {
        let million =
            |(size, rounds): &(u64, Vec<ReportRound>)| median(rounds.iter().map(figure)) * 1e6 / *size as f64;
        sizes.iter().map(million).collect()
    };
    let plot = Plot {
        title: "Time of a report, by the rows of the table",
        x: "rows",
        y: "seconds for each million rows",
        places: sizes.iter().map(|(size, _)| format!("10^{}", size.ilog10())).collect(),
        lines: vec![
            ("the server's query", values(|round| round.query)),
            ("report by two keys", values(|round| round.by_keys)),
            ("report of all", values(|round| round.all)),
        ],
    };
    plot.write(options, "report");
}
