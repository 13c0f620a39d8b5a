//! An order service, and tracing-ledger: the lines that end in `// ledger` are all that it takes.
//!
//! ```text
//! clients ──► http ──► create_order ──► charge_card ──► ask_provider ──► http (the provider's stub)
//!                           └──► send_receipt, a job        the table `orders`: create_order, send_receipt
//! ```

pub mod counters;
pub mod http;
pub mod orders;
pub mod payments;
pub mod telemetry;

use reqwest::Client;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::counters::Counters;

/// The table of the service.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY, card text NOT NULL, receipt_sent bool NOT NULL DEFAULT false)";

/// The parts that all requests and jobs share.
pub struct App {
    /// The service's own connections.
    pub pool: PgPool,
    /// The client of the provider.
    pub client: Client,
    /// The address of the provider, without a slash at the end.
    pub provider: String,
    /// The service's own counts, which do not use the ledger.
    pub counters: Counters,
    /// One permit for each request with the card `held`, which the provider's stub does not answer.
    pub held: Semaphore,
}

impl App {
    /// With these connections, and the provider at this address.
    pub fn new(pool: PgPool, provider: String) -> Self {
        let (client, counters) = (Client::new(), Counters::default());
        Self { pool, client, provider, counters, held: Semaphore::new(0) }
    }
}
