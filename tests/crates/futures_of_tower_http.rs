//! Futures of tower-http that are dropped have not returned, whatever the rule can know of them.

use std::convert::Infallible;
use std::future::{self, Future};
use std::pin::pin;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use support::Ledger;
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_http::trace::TraceLayer;
use tracing_ledger::{Rule, Rules};

use crate::server::serve;

/// A rule that reads no status: only the shape of the span is left.
fn ledger() -> Ledger {
    let rule = Rule::span("request").target("tower_http::trace::make_span");
    Ledger::memory_with(tracing_ledger::builder().rules(Rules::from_rules([rule]).expect("a sound rule")))
}

#[track_caller]
fn assert_never_ok(ledger: &Ledger, rows: usize) {
    let outcomes: Vec<_> = ledger.rows().iter().map(|row| row.get("outcome").clone()).collect();
    assert_eq!(outcomes, vec!["unknown"; rows]);
}

#[test]
fn a_request_whose_client_hangs_up_has_not_returned() {
    let ledger = ledger();
    serve(&ledger, async |client| {
        for _ in 0..40 {
            client.hang_up("/hangs").await;
        }
    });
    assert_never_ok(&ledger, 40);
}

#[test]
fn a_request_that_is_dropped_before_or_after_its_first_poll_has_not_returned() {
    let ledger = ledger();
    let hangs = tower::service_fn(|_: Request<Body>| future::pending::<Result<Response, Infallible>>());
    let mut service = TraceLayer::new_for_http().layer(hangs);
    ledger.block_on(async {
        let service = service.ready().await.expect("it is always ready");
        let mut request = || service.call(Request::new(Body::empty()));
        for _ in 0..40 {
            let mut polled = pin!(request());
            assert!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            drop(request());
            tokio::select! {
                biased;
                _ = request() => unreachable!("it hangs"),
                () = future::ready(()) => {}
            }
        }
    });
    assert_never_ok(&ledger, 120);
}
