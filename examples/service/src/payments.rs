//! The client of a card provider, with retries.

use std::fmt;

use axum::http::StatusCode;
use tracing::instrument;

use crate::App;
use crate::orders::Failure;

/// How often the provider is asked at most.
pub const ATTEMPTS: u32 = 3;

/// An answer of the provider other than yes.
#[derive(Debug)]
struct Refused(StatusCode);

/// Asks the provider until it says yes or no.
#[instrument(skip(app), err, ret(level = "trace"))] // ledger
pub async fn charge_card(app: &App, card: &str) -> Result<(), Failure> {
    let call = app.counters.begin("charge_card");
    assert!(card != "cursed", "{CURSED}");
    let mut attempt = 1;
    let result = loop {
        match ask_provider(app, card, attempt).await {
            Ok(StatusCode::SERVICE_UNAVAILABLE) if attempt < ATTEMPTS => attempt += 1,
            Ok(StatusCode::OK) => break Ok(()),
            Ok(other) => break Err(Refused(other).into()),
            Err(error) => break Err(error.into()),
        }
    };
    call.returns(result)
}

/// One attempt.
#[instrument(skip(app), err, ret(level = "trace"))] // ledger
async fn ask_provider(app: &App, card: &str, attempt: u32) -> Result<StatusCode, reqwest::Error> {
    let call = app.counters.begin("ask_provider");
    let url = format!("{}/provider/{card}/{attempt}", app.provider);
    call.returns(app.client.post(url).send().await.map(|response| response.status()))
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider says {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// The message of the deliberate panic.
pub const CURSED: &str = "a cursed card";
