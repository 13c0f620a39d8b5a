//! `DATABASE_URL=postgres://… cargo run -p tracing-ledger-service` serves until Ctrl-C.

use std::error::Error;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::trace::SdkTracerProvider;
use orders::{App, http, telemetry};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL to postgres://…")?;
    let provider = SdkTracerProvider::default(); // here an exporter belongs
    let guard = telemetry::install(&url, &provider, EnvFilter::from_default_env(), io::stderr)?; // ledger
    let runtime = Runtime::new()?;
    runtime.block_on(serve(&url))?;
    // Jobs that still run are cancelled here, and get their rows.
    drop(runtime);
    guard.shutdown(Duration::from_secs(5))?; // ledger
    Ok(())
}

async fn serve(url: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let provider = format!("http://{}", listener.local_addr()?);
    writeln!(
        io::stdout(),
        "POST {provider}/orders {{\"card\": \"flaky\", \"patience_ms\": 1000, \"printable\": true}}"
    )?;
    let app = Arc::new(App::new(PgPool::connect(url).await?, provider));
    sqlx::query(orders::SCHEMA).execute(&app.pool).await?;
    let server = axum::serve(listener, http::router(app));
    server.with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
    Ok(())
}
