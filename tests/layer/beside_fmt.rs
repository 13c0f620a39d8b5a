//! Other layers see the same with and without the ledger.

use std::fs;
use std::sync::Arc;

use tracing::{debug, error, info, info_span, instrument, trace};
use tracing_ledger::LedgerLayer;
use tracing_ledger::store::Memory;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The output of fmt, with a ledger beside it or not, filtered or not.
fn printed(ledger: Option<LedgerLayer<Registry>>, filter: Option<&str>) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let fmt = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_span_events(FmtSpan::NEW | FmtSpan::ENTER | FmtSpan::EXIT)
        .with_writer(Arc::new(file.reopen().expect("opened")))
        .with_filter(filter.map(EnvFilter::new));
    let subscriber = tracing_subscriber::registry().with(ledger).with(fmt);
    tracing::subscriber::with_default(subscriber, program);
    fs::read_to_string(file.path()).expect("fmt prints text")
}

#[instrument(level = "debug", err, ret)]
fn quote_tables_for_booking(size: u32) -> Result<u32, String> {
    trace!("trying {size}");
    info!(name: "auto_assign.attempt", attempt_index = 0);
    if size > 6 { Err("no tables".into()) } else { Ok(size) }
}

#[instrument(err(level = "debug"))]
fn of_no_rule() -> Result<(), String> {
    Err("nobody asked".into())
}

fn program() {
    let _request = info_span!("request", trigger = "creation", other = 1).entered();
    info!("a message");
    debug!(size = 2, "a debug message");
    quote_tables_for_booking(2).expect("tables for two");
    quote_tables_for_booking(9).expect_err("none for nine");
    of_no_rule().expect_err("it fails");
    error!(error = "just so");
}

#[test]
fn fmt_prints_the_same_with_and_without_the_ledger() {
    for filter in
        [None, Some("info"), Some("warn,layer::beside_fmt=debug"), Some("off"), Some("[request]=trace")]
    {
        let memory = Memory::default();
        let (ledger, guard) = tracing_ledger::builder().build_with(memory.clone()).expect("a ledger");
        let alone = printed(None, filter);
        assert_eq!(printed(Some(ledger), filter), alone, "under {filter:?}");
        assert_eq!(printed(None, filter), alone, "the program itself says the same twice");
        assert_eq!(alone.is_empty(), filter == Some("off"));

        guard.flush(support::DEADLINE).expect("everything is written");
        let rows = memory.rows();
        let quotes = rows.iter().filter(|event| &*event.event_type == "auto_assign.quote").count();
        assert_eq!((quotes, rows.len()), (2, 4), "under {filter:?} the ledger has all of it");
    }
}
