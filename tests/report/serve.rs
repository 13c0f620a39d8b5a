//! `tracing-ledger serve`: the page on this machine, for readers who know its address.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use support::Cluster;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};

/// For browsers without scripts; the script loads the page again by itself.
const RELOAD: &str = r#"<noscript><meta http-equiv="refresh" content="10"></noscript>"#;

/// A server that ends with this.
struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT/TOKEN/`
    address: String,
}

impl Server {
    fn start(url: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
        command.args(["serve", "--open"]).args(arguments).env("DATABASE_URL", url).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut address = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut address).expect("an address");
        Self { child, address: address.trim_end().to_owned() }
    }

    fn host(&self) -> &str {
        self.address.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("a host")
    }

    fn path(&self, last: &str) -> String {
        let token = self.address.trim_end_matches('/').rsplit('/').next().expect("a token");
        format!("/{token}/{last}")
    }

    /// Status, headers in lower case, and body.
    fn ask(&self, method: &str, path: &str, host: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.host()).expect("it listens");
        let host = if host.is_empty() { String::new() } else { format!("Host: {host}\r\n") };
        write!(stream, "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer in UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String, String) {
        self.ask("GET", path, self.host())
    }

    fn end(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn connections_without_a_request_keep_nobody_out() {
    let url = database(Cluster::shared()).await;
    let server = Server::start(&url, &[]);
    let begin = Instant::now();
    let half_open = |_| {
        let mut stream = TcpStream::connect(server.host()).expect("it listens");
        stream.write_all(b"GET / HT").expect("sent");
        stream
    };
    let silent: Vec<TcpStream> = (0..200).map(half_open).collect();
    assert_eq!(server.get(&server.path("")).0, 200);
    assert!(begin.elapsed() < Duration::from_secs(30), "it did not wait until such a connection is too old");
    drop(silent);
}

#[tokio::test]
async fn rows_that_are_later_than_the_clock_are_named() {
    let url = database(Cluster::shared()).await;
    let server = Server::start(&url, &[]);
    assert!(!server.get(&server.path("")).2.contains("later than the clock"));
    let ahead =
        |hours: u64| Row::new(SystemTime::now() + Duration::from_secs(3600 * hours), "api", "orders.place");
    let rows: Vec<Row> = (1..=3).map(ahead).collect();
    Postgres::from_url(&url).expect("a URL").insert(&rows, Attempt::First).await.expect("stored");
    let another = Server::start(&url, &[]);
    let (_, _, page) = another.get(&another.path(""));
    assert!(page.contains("3 rows are later than the clock of this machine"), "{page}");
    let (_, _, json) = another.get(&another.path("report.json"));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["events"][0]["calls"], 41);
}

async fn database(cluster: &Cluster) -> String {
    let url = cluster.database();
    let row = |at: u64| {
        let mut row = Row::new(SystemTime::now() - Duration::from_secs(at), "api", "orders.place");
        row.context = format!(r#"{{"duration_ms": {}, "success": {}}}"#, at * 7, !at.is_multiple_of(3));
        row
    };
    let rows: Vec<Row> = (1..42).map(row).collect();
    Postgres::from_url(&url).expect("a URL").insert(&rows, Attempt::First).await.expect("stored");
    url
}

#[tokio::test]
async fn the_page_has_the_figures_of_the_report() {
    let url = database(Cluster::shared()).await;
    let server = Server::start(&url, &["--window", "30min"]);
    let (status, head, page) = server.get(&server.path(""));
    assert_eq!(status, 200, "{head}");
    assert!(head.contains("content-type: text/html") && page.contains(RELOAD), "{head}");
    let (status, head, json) = server.get(&server.path("report.json"));
    assert!(status == 200 && head.contains("content-type: application/json"), "{head}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let event = &json["events"][0];
    assert_eq!((event["event_type"].as_str(), event["calls"].as_u64()), (Some("orders.place"), Some(41)));
    assert!(page.contains("orders.place") && page.contains("41"), "{page}");
    let bound = |name: &str| json["window"][name].as_str().expect("a time").to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.args([
        "report",
        "--detail",
        "--format",
        "json",
        "--since",
        &bound("since"),
        "--until",
        &bound("until"),
    ]);
    let output = command.env("DATABASE_URL", &url).output().expect("it starts");
    assert_eq!(json, serde_json::from_slice::<Value>(&output.stdout).expect("JSON"));
}

#[tokio::test]
async fn a_reader_without_the_address_learns_nothing() {
    let url = database(Cluster::shared()).await;
    let server = Server::start(&url, &[]);
    let other = format!("/{}/", "0".repeat(32));
    for path in ["/", "/report.json", &other, &server.path("x"), server.path("").trim_end_matches('/'), "//"]
    {
        let (status, _, body) = server.get(path);
        assert_eq!(status, 404, "{path}");
        assert!(!body.contains("orders"), "{body}");
    }
    for host in ["evil.example", "evil.example:80", "127.0.0.1", "", "127.0.0.1:1", "localhost.evil.example"]
    {
        let (status, _, body) = server.ask("GET", &server.path(""), host);
        assert!(matches!(status, 400 | 421), "{host}: {status}");
        assert!(!body.contains("orders"), "{body}");
    }
    let two = format!("{}\r\nHost: evil.example", server.host());
    assert_eq!(server.ask("GET", &server.path(""), &two).0, 400);
    let by_name = server.host().replace("127.0.0.1", "localhost");
    assert_eq!(server.ask("GET", &server.path(""), &by_name).0, 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (status, head, _) = server.ask(method, &server.path(""), server.host());
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("\r\nallow: get, head"), "{head}");
    }
    let another = Server::start(&url, &[]);
    assert_ne!(another.path(""), server.path(""), "each has an address of its own");
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let url = database(Cluster::shared()).await;
    let server = Server::start(&url, &[]);
    for (method, path) in [
        ("GET", server.path("")),
        ("HEAD", server.path("report.json")),
        ("GET", "/x".to_owned()),
        ("POST", "/".to_owned()),
    ] {
        let (_, head, body) = server.ask(method, &path, server.host());
        for header in [
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "content-security-policy: frame-ancestors 'none'",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert!(!head.contains("access-control"), "{head}");
        assert_eq!(body.is_empty(), method == "HEAD", "{path}: {body}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named_without_its_password() {
    let server = Server::start("postgres://bob:hunter2@127.0.0.1:1/app", &[]);
    for (path, part) in [("", "<h1>The database does not answer</h1>"), ("report.json", "{\"error\":")] {
        let (status, head, body) = server.get(&server.path(path));
        assert_eq!(status, 503, "{body}");
        assert!(body.contains(part) && body.contains("cannot connect to Postgres"), "{body}");
        assert!(!body.contains("hunter2") && !body.contains("bob"), "{body}");
        assert_eq!(body.contains(RELOAD), path.is_empty(), "{body}");
        assert!(!head.contains("\r\nrefresh"), "it would lose what the reader has chosen: {head}");
    }
}

#[test]
fn signals_end_it_and_it_listens_on_loopback_alone() {
    for signal in ["-INT", "-TERM"] {
        let server = Server::start("sqlite:x", &[]);
        assert!(server.address.starts_with("http://127.0.0.1:"), "{}", server.address);
        assert_eq!(server.end(signal), Some(0), "{signal}");
    }
    let first = Server::start("sqlite:x", &[]);
    let port = first.host().rsplit(':').next().expect("a port").to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    let taken =
        command.args(["serve", "--port", &port]).env("DATABASE_URL", "sqlite:x").output().expect("it starts");
    assert_eq!(taken.status.code(), Some(1));
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(said.starts_with(&format!("error: cannot listen on 127.0.0.1, port {port}: ")), "{said}");
}
