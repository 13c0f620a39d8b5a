//! The subscriber: log lines, OpenTelemetry, and the ledger.

use std::error::Error;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::prelude::*;

/// The ledger has to end before the process does.
pub type Installed = Result<tracing_ledger::Guard, Box<dyn Error>>; // ledger

/// Installs it for the process: lines to `writer`, spans to `provider`, rows to the database at `url`.
pub fn install<W>(url: &str, provider: &SdkTracerProvider, filter: EnvFilter, writer: W) -> Installed
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_ansi(false).with_writer(writer).with_filter(filter);
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
    let builder = tracing_ledger::builder().instrumented(env!("CARGO_CRATE_NAME")); // ledger
    let (ledger, guard) = builder.rules(include_str!("../rules.toml").parse()?).build(url)?; // ledger
    tracing_subscriber::registry()
        .with(ledger) // ledger
        .with(lines)
        .with(spans.with_filter(LevelFilter::DEBUG))
        .try_init()?;
    Ok(guard) // ledger
}
