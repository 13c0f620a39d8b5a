//! The service over HTTP, with a stub of the card provider.

use std::future;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use tower_http::trace::TraceLayer;

use crate::App;
use crate::orders::{NewOrder, create_order};
use crate::payments::ATTEMPTS;

/// All routes, each counted, under the default `TraceLayer`.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/orders", post(order))
        .route("/health", get(async || "well"))
        .route("/provider/{card}/{attempt}", post(provider))
        .layer(from_fn_with_state(Arc::clone(&app), count))
        .layer(TraceLayer::new_for_http())
        .with_state(app)
}

/// Counts each request by its status.
async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let call = app.counters.begin("http.request");
    let response = next.run(request).await;
    call.end(response.status().as_str());
    response
}

async fn order(State(app): State<Arc<App>>, Json(order): Json<NewOrder>) -> (StatusCode, String) {
    match create_order(app, order).await {
        Ok(id) => (StatusCode::CREATED, id.to_string()),
        Err(error) if error.is::<tokio::time::error::Elapsed>() => {
            (StatusCode::GATEWAY_TIMEOUT, error.to_string())
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// The provider, as the card wants it.
async fn provider(State(app): State<Arc<App>>, Path((card, attempt)): Path<(String, u32)>) -> StatusCode {
    match &*card {
        "declined" => StatusCode::PAYMENT_REQUIRED,
        "broken" => StatusCode::SERVICE_UNAVAILABLE,
        "flaky" if attempt < ATTEMPTS => StatusCode::SERVICE_UNAVAILABLE,
        "unanswered" => future::pending().await,
        "held" => {
            app.held.add_permits(1);
            future::pending().await
        }
        _ => StatusCode::OK,
    }
}
