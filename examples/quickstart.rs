//! A function with `#[instrument]`, and the three lines that put its calls on the ledger.
#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::time::Duration;

use tracing::instrument;
use tracing_subscriber::prelude::*;

#[instrument(err, ret(level = "trace"), fields(ledger.event = "orders.create"))]
fn create_order(order_id: u32, pieces: u32) -> Result<u32, String> {
    pieces.checked_sub(1).map(|_| pieces * 1999).ok_or_else(|| "an order needs a piece".to_owned())
}

fn main() -> Result<(), tracing_ledger::Error> {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite:quickstart.sqlite3".to_owned());
    let (ledger, guard) = tracing_ledger::builder().create_table(true).build(&url)?;
    tracing_subscriber::registry().with(ledger).init();

    for (order_id, pieces) in [(1, 2), (2, 1), (3, 0)] {
        create_order(order_id, pieces).ok();
    }
    println!("{}", guard.shutdown(Duration::from_secs(5))?);
    println!("The rows, in DATABASE_URL or quickstart.sqlite3: SELECT * FROM observability_events;");
    Ok(())
}
