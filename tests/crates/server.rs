//! An axum service under the default `TraceLayer`, and clients that hang up.

use std::future;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use support::Ledger;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tower_http::trace::TraceLayer;

/// Says when it is dropped.
struct Drops(Arc<Notify>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A client of a service that runs on the same thread.
pub(crate) struct Client {
    address: std::net::SocketAddr,
    entered: Arc<Notify>,
    dropped: Arc<Notify>,
}

/// Runs `test` against a service of its own, with this ledger as the subscriber.
pub(crate) fn serve<F: Future<Output = ()>>(ledger: &Ledger, test: impl FnOnce(Client) -> F) {
    serve_traced(ledger, |router| router.layer(TraceLayer::new_for_http()), test);
}

/// The same with another `TraceLayer`.
pub(crate) fn serve_traced<F: Future<Output = ()>>(
    ledger: &Ledger,
    traced: impl FnOnce(Router) -> Router,
    test: impl FnOnce(Client) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    ledger.run(|| {
        runtime.block_on(async {
            let (entered, dropped) = <(Arc<Notify>, Arc<Notify>)>::default();
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            tokio::spawn(axum::serve(listener, traced(router(&entered, &dropped))).into_future());
            test(Client { address, entered, dropped }).await;
        });
    });
}

fn router(entered: &Arc<Notify>, dropped: &Arc<Notify>) -> Router {
    let (entered, dropped) = (Arc::clone(entered), Arc::clone(dropped));
    let hangs = move || {
        let (entered, drops) = (Arc::clone(&entered), Drops(Arc::clone(&dropped)));
        async move {
            let _drops = drops;
            entered.notify_one();
            future::pending::<()>().await;
        }
    };
    Router::new()
        .route("/tables/{id}", get(async || "free"))
        .route("/fails", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/panics", get(async || -> StatusCode { panic!("out of tables") }))
        .route("/hangs", get(hangs))
}

impl Client {
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Sends a request and reads to the end.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = self.send(path).await;
        let mut response = String::new();
        stream.read_to_string(&mut response).await.ok();
        response
    }

    /// Sends a request, and hangs up while it is handled.
    pub(crate) async fn hang_up(&self, path: &str) {
        let stream = self.send(path).await;
        self.entered.notified().await;
        drop(stream);
        self.dropped.notified().await;
    }

    async fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("the service listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the service reads");
        stream
    }
}
