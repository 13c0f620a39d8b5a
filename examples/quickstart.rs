//! A function with `#[instrument]`, and the three lines that put it on the ledger.
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::time::Duration;

use tracing::{Span, field::Empty, instrument};
use tracing_subscriber::prelude::*;

#[instrument(fields(trigger = "creation", success = Empty, reason = Empty))]
fn quote_tables_for_booking(party_size: u32) -> Option<u32> {
    let seats = [2, 4, 6].into_iter().find(|seats| *seats >= party_size);
    Span::current().record("success", seats.is_some());
    Span::current().record("reason", seats.is_none().then_some("No suitable tables available"));
    seats
}

fn main() -> Result<(), tracing_ledger::Error> {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite:quickstart.sqlite3".to_owned());
    let (ledger, guard) = tracing_ledger::builder().create_table(true).build(&url)?;
    tracing_subscriber::registry().with(ledger).init();

    for party_size in [2, 5, 9] {
        quote_tables_for_booking(party_size);
    }
    println!("{}", guard.shutdown(Duration::from_secs(5))?);
    println!("The rows, in DATABASE_URL or quickstart.sqlite3: SELECT * FROM observability_events;");
    Ok(())
}
