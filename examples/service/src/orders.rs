//! Orders, and the job that follows each of them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::instrument;

use crate::App;
use crate::payments::charge_card;

/// An order of a client.
#[derive(Debug, Deserialize, Serialize)]
pub struct NewOrder {
    /// The provider's stub answers by it.
    pub card: String,
    /// How long the provider may take, in milliseconds.
    pub patience_ms: u64,
    /// Whether the receipt can be printed: the job panics otherwise.
    pub printable: bool,
}

/// The reason of an order that failed, as text.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Charges the card, saves the order and starts the job for its receipt. Returns the order's number.
#[instrument(skip_all, err, ret(level = "trace"), fields(ledger.event = "orders.create", card = order.card))] // ledger
pub async fn create_order(app: Arc<App>, order: NewOrder) -> Result<i64, Failure> {
    let call = app.counters.begin("orders.create");
    call.returns(charge_and_save(&app, &order).await)
}

async fn charge_and_save(app: &Arc<App>, order: &NewOrder) -> Result<i64, Failure> {
    let patience = Duration::from_millis(order.patience_ms);
    tokio::time::timeout(patience, charge_card(app, &order.card)).await??;
    let mut connection = app.pool.acquire().await?;
    app.counters.add("db.query");
    let id = sqlx::query_scalar("INSERT INTO orders (card) VALUES ($1) RETURNING id")
        .bind(&order.card)
        .fetch_one(&mut *connection)
        .await?;
    tokio::spawn(send_receipt(Arc::clone(app), id, order.printable));
    Ok(id)
}

/// The job: sends the receipt of an order.
#[instrument(skip(app), err, ret(level = "trace"))] // ledger
async fn send_receipt(app: Arc<App>, id: i64, printable: bool) -> Result<(), Failure> {
    let call = app.counters.begin("send_receipt");
    assert!(printable, "{OUT_OF_PAPER}");
    call.returns(mark_sent(&app, id).await)
}

async fn mark_sent(app: &App, id: i64) -> Result<(), Failure> {
    let mut connection = app.pool.acquire().await?;
    app.counters.add("db.query");
    sqlx::query("UPDATE orders SET receipt_sent = true WHERE id = $1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// The message of the job's deliberate panic.
pub const OUT_OF_PAPER: &str = "out of paper";
