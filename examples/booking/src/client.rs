//! The client of the guests: HTTP/1.1 over loopback, one connection for each request.

use std::io;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Sends requests to the service.
#[derive(Clone, Copy)]
pub struct Client {
    service: SocketAddr,
}

/// A connection that is closed when this is dropped.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Client {
    pub fn new(service: SocketAddr) -> Self {
        Self { service }
    }

    /// Sends one request and reads its answer; an answer other than 2xx is an error.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> io::Result<Value> {
        let mut line = self.connect().await?;
        let sent = line.sender.send_request(request(method, path, body)?);
        let answer = sent.await.map_err(io::Error::other)?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        read(status, path, &bytes)
    }

    /// Sends a booking and hangs up as soon as `when` is over, unless the answer came first.
    pub async fn hang_up(&self, body: &Value, when: impl Future<Output = ()>) -> io::Result<()> {
        let mut line = self.connect().await?;
        let request = request(Method::POST, "/bookings", body)?;
        tokio::select! {
            answer = line.sender.send_request(request) => {
                answer.map_err(io::Error::other)?;
                Err(io::Error::other("POST /bookings: the answer came before the guest could hang up"))
            }
            () = when => Ok(()),
        }
    }

    async fn connect(&self) -> io::Result<Line> {
        let stream = TcpStream::connect(self.service).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // A failure of the connection also reaches the task that waits for the reply.
        let driver = tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(Line { sender, driver })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn request(method: Method, path: &str, body: &Value) -> io::Result<Request<Full<Bytes>>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "booking.localhost")
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .map_err(io::Error::other)
}

fn read(status: StatusCode, path: &str, bytes: &[u8]) -> io::Result<Value> {
    if !status.is_success() {
        let text = String::from_utf8_lossy(bytes);
        return Err(io::Error::other(format!("{path}: the service answered {status}: {text}")));
    }
    Ok(serde_json::from_slice(bytes)?)
}
