//! A service that ends well: on SIGTERM and Ctrl-C every call that began has its row.
//!
//! The order of the end is the point. The server stops and answers what it has begun, then the jobs end, then the
//! runtime cancels what is left, and the ledger goes last. Each step has a timeout, and together they take less than
//! the grace period of 30 s that Kubernetes gives by default.
//!
//! ```console
//! $ cargo run --example graceful
//! $ curl -X POST http://127.0.0.1:3000/quotes/4
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;
use std::io;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Router, routing::post};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{Span, field::Empty, instrument};
use tracing_subscriber::prelude::*;

/// For requests that have begun.
const SERVER_TIMEOUT: Duration = Duration::from_secs(10);
/// For jobs that have begun. Those that take longer are cancelled, which their rows say.
const JOBS_TIMEOUT: Duration = Duration::from_secs(5);
/// For blocking work of the runtime.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);
/// For the rows. With a spool the ledger keeps on disk what the database does not take in time.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Not `#[tokio::main]`: there the guard would go before the tasks that are still running. (`pub` for the test that runs
/// it.)
pub fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite:graceful.sqlite3".to_owned());
    let (ledger, guard) = tracing_ledger::builder().create_table(true).with_env()?.build(&url)?;
    tracing_subscriber::registry().with(ledger).init();

    let runtime = Runtime::new()?;
    let served = runtime.block_on(serve());
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    // Also after an error: `?` would drop the guard too, with a shorter timeout.
    let stats = guard.shutdown(LEDGER_TIMEOUT)?;
    println!("{stats}");
    Ok(served?)
}

/// Serves until a signal, then ends the requests and after them the jobs.
async fn serve() -> io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let (jobs, queue) = mpsc::unbounded_channel();
    let jobs_end = tokio::spawn(run_jobs(queue));
    let (stopped, mut has_stopped) = mpsc::channel::<()>(1);
    let signal = wait_for_signal()?;
    println!("listening on {}", listener.local_addr()?);

    let router = Router::new().route("/quotes/{party_size}", post(quote)).with_state(jobs);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        signal.await;
        drop(stopped);
    });
    let deadline = async {
        has_stopped.recv().await;
        sleep(SERVER_TIMEOUT).await;
    };
    tokio::select! {
        // It has dropped the router and with it the sender of the jobs.
        ended = server.into_future() => ended?,
        () = deadline => println!("requests took longer than {SERVER_TIMEOUT:?}"),
    }
    if timeout(JOBS_TIMEOUT, jobs_end).await.is_err() {
        println!("jobs took longer than {JOBS_TIMEOUT:?}");
    }
    Ok(())
}

/// SIGTERM comes from Kubernetes, systemd and Docker, SIGINT from Ctrl-C. The handlers stay, so a second signal does
/// not end the process in the middle of its end.
fn wait_for_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Runs the jobs that requests leave behind, until no request can come and all jobs have ended.
async fn run_jobs(mut queue: mpsc::UnboundedReceiver<u32>) {
    let mut running = JoinSet::new();
    while let Some(party_size) = queue.recv().await {
        running.spawn(job(party_size));
        while running.try_join_next().is_some() {}
    }
    running.join_all().await;
}

/// Answers with the number of seats, and leaves a job behind.
async fn quote(
    State(jobs): State<mpsc::UnboundedSender<u32>>,
    Path(party_size): Path<u32>,
) -> (StatusCode, String) {
    let seats = quote_tables_for_booking(party_size).await;
    // The receiver goes only when the runtime does.
    jobs.send(party_size).ok();
    match seats {
        Some(seats) => (StatusCode::OK, seats.to_string()),
        None => (StatusCode::CONFLICT, "no table".to_owned()),
    }
}

#[instrument(fields(trigger = "creation", success = Empty))]
async fn quote_tables_for_booking(party_size: u32) -> Option<u32> {
    sleep(Duration::from_millis(20)).await;
    let seats = [2, 4, 6].into_iter().find(|seats| *seats >= party_size);
    Span::current().record("success", seats.is_some());
    seats
}

#[instrument(name = "auto_assign.job", fields(trigger = "creation", result = Empty))]
async fn job(party_size: u32) {
    sleep(Duration::from_millis(100)).await;
    let seats = quote_tables_for_booking(party_size).await;
    Span::current().record("result", if seats.is_some() { "succeeded" } else { "exhausted" });
}
