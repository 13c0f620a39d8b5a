//! docs/recipes.md, followed with the crates that it is about: its rules are read from the page, and its code is in `page/`,
//! to the letter.

#[path = "page/grpc.rs"]
mod grpc;
#[path = "page/http_client.rs"]
mod http_client;
#[path = "page/http_span.rs"]
mod http_span;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use apalis::prelude::{
    BoxDynError, MemoryStorage, TaskSink as _, WorkerBuilder, WorkerBuilderExt as _, WorkerContext,
};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use support::{Cluster, Ledger, StoredRow};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tracing_ledger::{NoticeKind, Rules};

use crate::server::{serve, serve_traced};

const PAGE: &str = include_str!("../../docs/recipes.md");

/// A ledger with the rule below this heading of the page.
fn ledger_of(heading: &str) -> Ledger {
    Ledger::memory_with(tracing_ledger::builder().rules(rules_of(heading)))
}

fn rules_of(heading: &str) -> Rules {
    block(heading, "toml").parse().unwrap_or_else(|error| panic!("{heading}: {error:#}"))
}

/// The block of this language below this heading.
fn block(heading: &str, language: &str) -> &'static str {
    let (_, recipe) = PAGE.split_once(&format!("\n## {heading}\n")).expect("the page has this heading");
    let recipe = recipe.split("\n## ").next().expect("a recipe has a text");
    let (_, block) = recipe.split_once(&format!("```{language}\n")).expect("the recipe has such a block");
    block.split("```").next().expect("the block has an end")
}

#[test]
fn the_code_is_that_of_the_page() {
    assert_eq!(block("tonic", "rust"), include_str!("page/grpc.rs"));
    assert_eq!(block("reqwest-tracing", "rust"), include_str!("page/http_client.rs"));
    assert_eq!(block("tower-http with a span of your own", "rust"), include_str!("page/http_span.rs"));
}

fn told<const N: usize>(row: &StoredRow, keys: [&str; N]) -> [Value; N] {
    keys.map(|key| row.context.get(key).cloned().unwrap_or_default())
}

fn block_on<T>(ledger: &Ledger, future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    ledger.run(|| runtime.block_on(future))
}

#[test]
fn the_recipe_for_tower_http_makes_its_rows() {
    let ledger = ledger_of("tower-http");
    serve(&ledger, async |client| {
        client.get("/tables/7?token=secret").await;
        client.get("/nowhere").await;
        client.get("/fails").await;
    });
    let rows = ledger.rows();
    let of = |row: &StoredRow| (row.severity.clone(), told(row, ["uri", "status", "success"]));
    assert_eq!(
        rows.iter().map(of).collect::<Vec<_>>(),
        [
            ("info".to_owned(), [json!("/tables/7"), json!(200), json!(true)]),
            ("warning".to_owned(), [json!("/nowhere"), json!(404), json!(false)]),
            ("error".to_owned(), [json!("/fails"), json!(500), json!(false)]),
        ]
    );
    assert!(rows.iter().all(|row| row.event_type == "http.request" && row.ms("latency_ms") >= 0.0));
}

#[test]
fn the_recipe_for_tower_http_with_a_span_of_your_own_makes_its_rows() {
    let ledger = ledger_of("tower-http with a span of your own");
    serve_traced(&ledger, http_span::traced, async |client| {
        client.get("/tables/7?token=secret").await;
        client.get("/fails").await;
        client.hang_up("/hangs").await;
    });
    let rows = ledger.rows();
    let keys = ["method", "route", "status", "success", "outcome"];
    let of = |row: &StoredRow| (row.event_type.clone(), row.severity.clone(), told(row, keys));
    let request = |severity: &str, told: [Value; 4]| {
        let [route, status, success, outcome] = told;
        ("http.request".to_owned(), severity.to_owned(), [json!("GET"), route, status, success, outcome])
    };
    assert_eq!(
        rows.iter().map(of).collect::<Vec<_>>(),
        [
            request("info", [json!("/tables/{id}"), json!(200), json!(true), json!("ok")]),
            request("error", [json!("/fails"), json!(500), json!(false), json!("ok")]),
            request("warning", [json!("/hangs"), Value::Null, json!(false), json!("cancelled")]),
        ]
    );
}

#[test]
fn the_recipe_for_reqwest_tracing_makes_its_rows() {
    let outcomes = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&outcomes);
    let builder = tracing_ledger::builder().rules(rules_of("reqwest-tracing")).on_notice(move |notice| {
        count.fetch_add(u32::from(notice.kind() == NoticeKind::Outcome), Ordering::Relaxed);
    });
    let ledger = Ledger::memory_with(builder);
    let client = http_client::client();
    serve(&ledger, async |service| {
        let url = |path: &str| format!("http://{}{path}", service.address());
        client.get(url("/tables/7")).send().await.expect("a response");
        client.get(url("/fails")).send().await.expect("a response");
        // Nobody speaks HTTP on a port that is bound and not listened on.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let nobody = format!("http://{}/", silent.local_addr().expect("it is bound"));
        client.get(nobody).send().await.expect_err("nobody answers");
    });
    let rows = ledger.rows();
    let of = |row: &StoredRow| {
        (row.severity.clone(), told(row, ["method", "host", "status", "success", "outcome"]))
    };
    let (get, host) = (json!("GET"), json!("127.0.0.1"));
    assert_eq!(
        rows.iter().map(of).collect::<Vec<_>>(),
        [
            ("info".to_owned(), [get.clone(), host.clone(), json!(200), json!(true), json!("ok")]),
            ("warning".to_owned(), [get.clone(), host.clone(), json!(500), json!(false), json!("ok")]),
            ("warning".to_owned(), [get, host, Value::Null, Value::Null, json!("unknown")]),
        ]
    );
    assert!(rows.iter().all(|row| row.context.get("error.cause_chain").is_none()));
    assert!(rows[2].context["error.message"].is_string(), "{:#}", rows[2].context);
    assert_eq!(outcomes.load(Ordering::Relaxed), 0, "the rule asks for an unknown outcome");
}

#[test]
fn the_recipe_for_sqlx_makes_its_rows() {
    let ledger = ledger_of("sqlx");
    let url = Cluster::shared().empty_database();
    block_on(&ledger, async {
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        let query = sqlx::query("SELECT 'a secret', generate_series(1, 3)");
        query.fetch_all(&mut connection).await.expect("a real query");
    });
    let rows = ledger.rows();
    let [row] = &rows[..] else { panic!("one row, not {rows:#?}") };
    assert_eq!((row.event_type.as_str(), row.severity.as_str()), ("db.query", "info"));
    assert_eq!(told(row, ["rows_returned"]), [json!(3)]);
    assert!(row.ms("duration_ms") > 0.0, "{:#}", row.context);
    assert_eq!(row.keys(), ["duration_ms", "rows_affected", "rows_returned", "summary"]);
}

#[test]
fn the_recipe_for_tonic_makes_its_rows() {
    let ledger = Ledger::memory();
    block_on(&ledger, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("it is bound");
        let server = tonic::transport::Server::builder().add_service(HealthServer::new(grpc::Shop));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("a URL");
        let mut client = HealthClient::new(endpoint.connect().await.expect("a connection"));
        client.check(HealthCheckRequest { service: "shop".to_owned() }).await.expect("the shop is known");
        client.check(HealthCheckRequest { service: "bank".to_owned() }).await.expect_err("the bank is not");
    });
    let rows = ledger.rows();
    let [shop, bank] = &rows[..] else { panic!("two rows, not {rows:#?}") };
    assert_eq!((shop.event_type.as_str(), shop.severity.as_str()), ("grpc.check", "info"));
    assert_eq!(told(shop, ["success", "outcome"]), [json!(true), json!("ok")]);
    assert_eq!(told(bank, ["success", "outcome"]), [json!(false), json!("error")]);
    assert!(bank.context["error"].as_str().is_some_and(|error| error.contains("no such service")));
}

#[test]
fn the_recipe_for_apalis_makes_its_rows() {
    let ledger = ledger_of("apalis");
    block_on(&ledger, async {
        let mut storage = MemoryStorage::new();
        for table in [1_u32, 2, 3] {
            storage.push(table).await.expect("memory takes a task");
        }
        let worker = WorkerBuilder::new("tables").backend(storage).enable_tracing().build(lay_table);
        worker.run().await.expect("the worker stops");
    });
    let rows = ledger.rows();
    let of = |row: &StoredRow| told(row, ["attempt", "result", "success"]);
    assert_eq!(
        rows.iter().map(of).collect::<Vec<_>>(),
        [
            [json!(1), json!("()"), json!(true)],
            [json!(1), json!("table 2 is gone"), json!(false)],
            [json!(1), json!("()"), json!(true)],
        ]
    );
    let is_whole = |row: &StoredRow| row.context["task_id"].is_string() && row.ms("done_ms") >= 0.0;
    assert!(rows.iter().all(is_whole), "{rows:#?}");
}

/// The second table is gone, and with the third the day is over.
async fn lay_table(table: u32, worker: WorkerContext) -> Result<(), BoxDynError> {
    match table {
        2 => return Err("table 2 is gone".into()),
        3 => worker.stop()?,
        _ => {}
    }
    Ok(())
}
