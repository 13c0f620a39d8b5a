//! A booking service with a planner, and tracing-ledger: three lines in [`run`], and none in any other place.
//!
//! ```text
//! guests ──► http ──► inline ──► planner ──► holds ──► the demo_* tables
//! (driver)     └────► job ─────────┘
//! ```
//!
//! The planner and the flows use `#[instrument]` and events, and do not use the ledger. The run
//! sends the 244 parties of `parties.csv` as HTTP requests, then prints the baseline and checks that every
//! planner call and every job has its row. `--help` lists the options, `README.md` says where the data is from.

mod args;

use std::error::Error;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::panic;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing_ledger::report::{Question, page, report as report_on, report_of_logs};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{fmt, registry};

use crate::args::{Args, HELP};
use booking::app::{App, Pace, Settings};
use booking::check::Check;
use booking::console::Console;
use booking::db::Db;
use booking::floor::Floor;
use booking::planner::DEFECT;
use booking::{driver, http, parties};

/// The embedded database of a run without `DATABASE_URL`.
const FILE: &str = "booking-demo.sqlite3";
/// The log of a run, from which the same report comes.
const LOG: &str = "booking-demo.log";
/// The file for the report in Markdown.
const BASELINE: &str = "baseline.md";
/// The same as a page with charts.
const PAGE: &str = "baseline.html";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            writeln!(io::stderr(), "booking: {error}").ok();
            ExitCode::from(2)
        }
    }
}

/// Runs the demo. Fails if the rows differ from the counters of the service, or if an expected case is missing.
fn run() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse(std::env::args().skip(1))?;
    if args.help {
        say(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let url = database_url()?;
    let runtime = Runtime::new()?;
    let began = SystemTime::now();
    let app = runtime.block_on(open(&url, args))?;

    report_the_defect_in_one_line();
    let (ledger, guard) = tracing_ledger::builder().create_table(true).build(&url)?;
    let log = fmt::layer()
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(Mutex::new(File::create(LOG)?));
    let log = log.with_filter(Targets::new().with_target("booking", LevelFilter::INFO));
    let lines = fmt::layer().with_writer(io::stderr).with_filter(verbosity());
    registry().with(ledger).with(log).with(lines).init();
    runtime.block_on(serve(&app, args))?;
    // A running job is cancelled here, and gets its row.
    drop(runtime);
    guard.shutdown(Duration::from_secs(5))?;

    Runtime::new()?.block_on(report(&app, &url, began, args.calm))
}

/// The database of the demo, with the tables of the restaurant and without bookings.
async fn open(url: &str, args: Args) -> Result<Arc<App>, Box<dyn Error>> {
    let db = Db::open(url).await?;
    db.reset().await?;
    Floor::furnish(&db).await?;
    let settings = Settings {
        pace: Pace(args.time_scale),
        slower: args.slower,
        latency: Duration::from_millis(args.latency.into()),
        ..Settings::PRODUCTION
    };
    Ok(Arc::new(App::new(db, settings, Console::new(say))))
}

/// Serves HTTP on loopback for as long as the run takes, and with `--serve` until Ctrl-C.
async fn serve(app: &Arc<App>, args: Args) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, http::router(app.clone())).into_future());
    driver::run(app, address, parties::services(args.calm)?).await?;
    if args.serve {
        say(&format!(
            "\nserving, Ctrl-C ends it:\n  curl -X POST http://{address}/bookings -H 'content-type: application/json' \
             -d '{{\"party_size\": 4, \"starts_at\": \"2030-05-17T19:30:00Z\"}}'"
        ));
        tokio::signal::ctrl_c().await?;
    }
    // The threads of SQLite hold their spans until they end. No row may come after the guard is dropped.
    app.db.close().await;
    Ok(())
}

/// Prints the report on the rows of this run and saves it as a file. Fails if rows are missing.
async fn report(app: &App, url: &str, began: SystemTime, calm: bool) -> Result<ExitCode, Box<dyn Error>> {
    let report = report_on(&Question::new().since(began), &[url]).await?;
    let (of_log, unread) = report_of_logs(&Question::new(), &[LOG]).await?;
    std::fs::write(BASELINE, report.to_markdown())?;
    let detailed = report_on(&Question::new().since(began).detail(true), &[url]).await?;
    std::fs::write(PAGE, page(&detailed, None))?;
    let db = Db::open(url).await?;
    let check = Check::of(app, &db, calm).await?.with_log(&report, &of_log, unread.count());
    db.close().await;
    let place = if url.ends_with(FILE) { FILE } else { "the database that DATABASE_URL names" };
    say(&format!("\n{report}\n{}", check.text()));
    say(&format!(
        "rows: SELECT * FROM observability_events ORDER BY created_at  -- in {place}; the report is in {BASELINE}\n\
         the same report as a page with charts: open {PAGE} in a browser\n\
         the same report from the log: tracing-ledger report --from-log {LOG}"
    ));
    Ok(check.exit_code())
}

/// Prints one line. A closed stdout (`| head`) is no reason to stop.
fn say(line: &str) {
    writeln!(io::stdout().lock(), "{line}").ok();
}

/// Hides the planner's one deliberate panic. Other panics are reported as usual.
fn report_the_defect_in_one_line() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() == Some(DEFECT) {
            writeln!(io::stderr(), "booking: a deliberate panic: {DEFECT}").ok();
        } else {
            before(panic);
        }
    }));
}

/// `DATABASE_URL`, or a fresh file.
fn database_url() -> io::Result<String> {
    if let Ok(url) = std::env::var("DATABASE_URL") {
        return Ok(url);
    }
    for end in ["", "-wal", "-shm"] {
        match std::fs::remove_file(format!("{FILE}{end}")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(format!("sqlite://{FILE}"))
}

/// The filter of the fmt layer: errors, unless `RUST_LOG` asks for more.
fn verbosity() -> EnvFilter {
    EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into()).from_env_lossy()
}
