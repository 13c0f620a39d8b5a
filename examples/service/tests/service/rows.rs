//! The rows of the service under load equal its own counters.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use orders::counters::Counts;
use orders::orders::{NewOrder, OUT_OF_PAPER};
use orders::payments::CURSED;
use orders::{App, http, telemetry};
use reqwest::StatusCode;
use sqlx::PgPool;
use support::{Cluster, DEADLINE, until};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

/// How many orders of each kind there are.
const EACH: u64 = 40;

/// An order of each kind that is answered: the card, whether the receipt can be printed, and the answer.
const ANSWERED: [(&str, bool, Option<StatusCode>); 6] = [
    ("good", true, Some(StatusCode::CREATED)),
    ("flaky", true, Some(StatusCode::CREATED)),
    ("good", false, Some(StatusCode::CREATED)),
    ("declined", true, Some(StatusCode::BAD_GATEWAY)),
    ("broken", true, Some(StatusCode::BAD_GATEWAY)),
    ("cursed", true, None), // the connection breaks
];

#[test]
fn the_rows_equal_the_counters_of_the_service() {
    hide_the_deliberate_panics();
    let url = Cluster::shared().database();
    Cluster::shared().psql(&url, orders::SCHEMA);
    let (spans, lines) = (Spans::default(), Lines::default());
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let writer = lines.clone();
    let filter = EnvFilter::new("orders=info");
    let guard = telemetry::install(&url, &provider, filter, move || writer.clone()).expect("a ledger");

    let runtime = Runtime::new().expect("a runtime");
    let app = runtime.block_on(load(&url));
    until("all calls have ended", || app.counters.running() == 0);
    // The last spans close with the tasks that hold them.
    drop(runtime);
    guard.shutdown(DEADLINE).expect("every row is written");

    let counted = app.counters.counts();
    let rows = Cluster::shared().psql(
        &url,
        "SELECT event_type, coalesce(context->>'status', context->>'outcome', '-'), count(*)
         FROM observability_events GROUP BY 1, 2",
    );
    assert_eq!(parse(&rows), counted);
    assert_each_failure_has_come(&counted);
    assert_failures_are_marked(&url);

    // The ledger takes nothing from its neighbours, and adds nothing to them.
    assert_eq!(*spans.0.lock().expect("no export panics"), spans_of(&counted));
    let errors = counted.iter().filter(|((_, ending), _)| ending == "error").map(|(_, count)| count);
    assert_eq!(lines.0.load(Ordering::Relaxed), errors.sum::<u64>(), "a line of the log for each error");
}

/// Runs the service, and sends it one order, then all others at once.
async fn load(url: &str) -> Arc<App> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let app = Arc::new(App::new(PgPool::connect(url).await.expect("the database"), address.clone()));
    tokio::spawn(axum::serve(listener, http::router(Arc::clone(&app))).into_future());
    // A function that has reported no ending yet may be one that never does: a dropped call is `unknown` until then.
    let first = order(&address, "good", DEADLINE, true).send().await.expect("an answer");
    assert_eq!(first.status(), StatusCode::CREATED);
    let mut clients = JoinSet::new();
    for _ in 0..EACH {
        for (card, printable, status) in ANSWERED {
            let request = order(&address, card, DEADLINE, printable);
            clients.spawn(async move {
                let answer = request.send().await.ok().map(|response| response.status());
                assert_eq!(answer, status, "{card}");
            });
        }
        let request = order(&address, "unanswered", Duration::from_millis(1), true);
        clients.spawn(async move {
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        });
        let (request, app) = (order(&address, "held", DEADLINE, true), Arc::clone(&app));
        clients.spawn(async move {
            tokio::select! {
                answer = request.send() => panic!("{answer:?}"),
                // All of them are with the provider now: hang up.
                held = app.held.acquire_many(EACH as u32) => drop(held.expect("it is open")),
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("the client got what it expected");
    }
    app
}

/// An order on a connection of its own.
fn order(address: &str, card: &str, patience: Duration, printable: bool) -> reqwest::RequestBuilder {
    let patience_ms = u64::try_from(patience.as_millis()).expect("minutes at most");
    let order = NewOrder { card: card.to_owned(), patience_ms, printable };
    reqwest::Client::new().post(format!("{address}/orders")).json(&order)
}

fn parse(rows: &str) -> Counts {
    let row = |line: &str| {
        let [event_type, ending, count] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        ((event_type.to_owned(), ending.to_owned()), count.parse().expect("a number"))
    };
    rows.lines().map(row).collect()
}

#[track_caller]
fn assert_each_failure_has_come(counted: &Counts) {
    let of = |name: &str| -> Vec<(&str, u64)> {
        let of_name = counted.iter().filter(|((event_type, _), _)| event_type == name);
        of_name.map(|((_, ending), count)| (ending.as_str(), *count)).collect()
    };
    let all = [("cancelled", EACH), ("error", 3 * EACH), ("ok", 3 * EACH + 1), ("panic", EACH)];
    assert_eq!(of("orders.create"), all, "hang-ups, refusals and timeouts, orders, curses");
    let all = [("cancelled", 2 * EACH), ("error", 2 * EACH), ("ok", 3 * EACH + 1), ("panic", EACH)];
    assert_eq!(of("charge_card"), all, "hang-ups and timeouts, refusals, orders, curses");
    assert_eq!(of("ask_provider"), [("cancelled", 2 * EACH), ("ok", 9 * EACH + 1)]);
    assert_eq!(of("send_receipt"), [("ok", 2 * EACH + 1), ("panic", EACH)]);
    assert_eq!(of("db.query"), [("-", 5 * EACH + 2)]);
}

/// Requests that failed have a severity and a success that say so.
#[track_caller]
fn assert_failures_are_marked(url: &str) {
    let marks = Cluster::shared().psql(
        url,
        "SELECT DISTINCT coalesce(context->>'status', context->>'outcome'), severity, context->>'success'
         FROM observability_events WHERE event_type = 'http.request' ORDER BY 1",
    );
    let expected = [
        "200|info|true",
        "201|info|true",
        "402|info|true",
        "502|error|false",
        "503|error|false",
        "504|error|false",
        "cancelled|warning|false",
        "panic|warning|false",
    ];
    assert_eq!(marks.lines().collect::<Vec<_>>(), expected);
}

/// The spans that OpenTelemetry has to get: all calls, under the names of their spans.
fn spans_of(counted: &Counts) -> BTreeMap<String, u64> {
    let mut spans = BTreeMap::new();
    for ((event_type, _), count) in counted {
        let name = match event_type.as_str() {
            "db.query" => continue, // an event
            "http.request" => "request",
            "orders.create" => "create_order",
            name => name,
        };
        *spans.entry(name.to_owned()).or_default() += count;
    }
    spans
}

fn hide_the_deliberate_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let deliberate = panic.payload_as_str().is_some_and(|text| [CURSED, OUT_OF_PAPER].contains(&text));
        if !deliberate {
            before(panic);
        }
    }));
}

/// Counts what OpenTelemetry exports.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<String, u64>>>);

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spans")
    }
}

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch {
            *self.0.lock().expect("no export panics").entry(span.name.into_owned()).or_default() += 1;
        }
        Ok(())
    }
}

/// Counts the lines of the log.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicU64>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.0.fetch_add(lines as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
