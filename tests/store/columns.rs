//! Fields fill columns of the team's own, by COPY and by INSERT, in Postgres and in SQLite.

use std::time::SystemTime;

use sqlx::Connection;
use support::{Cluster, DEADLINE, SqliteFile};
use tracing_ledger::report::{Question, report, story};
use tracing_ledger::store::{Attempt, Failure, Postgres, Sqlite, Store};
use tracing_ledger::{Builder, Health, Row, Rules};
use tracing_subscriber::{Registry, prelude::*};
use uuid::Uuid;

const FILLED: [&str; 7] = ["order_id", "amount", "is paid", "due", "attempts", "note", "tags"];
const ADD: &str =
    "ALTER TABLE observability_events ADD order_id uuid, ADD amount numeric(12,2), ADD \"is paid\" bool,
     ADD due timestamptz, ADD attempts integer, ADD note varchar(20), ADD tags jsonb";
const FULL: &str = r#"{"due":"2026-01-31T08:00:00+02:00","note":"a\tb \\N \"c\"","tags":["x",1],"amount":12.5,"is paid":true,"attempts":3,"order_id":"0190E6A4-0000-7000-8000-000000000001","stays":1}"#;

fn with_context(context: &str) -> Row {
    let mut row = Row::new(SystemTime::now(), "test", "test.event");
    row.context = context.to_owned();
    row
}

fn postgres(url: &str) -> Postgres {
    let store = Postgres::from_url(url).expect("a URL");
    FILLED.iter().fold(store, |store, name| store.column(name, *name).expect("a column"))
}

#[tokio::test]
async fn every_type_of_a_column_has_the_same_value_by_copy_and_by_insert() {
    let contents = async |attempt: Attempt| {
        let cluster = Cluster::shared();
        let url = cluster.database_after(ADD);
        let rows: Vec<Row> = (0..Postgres::COPY_FROM_ROWS).map(|_| with_context(FULL)).collect();
        let mut store = postgres(&url);
        store.insert(&rows, attempt).await.expect("stored");
        store.insert(&rows, Attempt::Retry).await.expect("stored already");
        let select = "SET TimeZone = 'UTC'; SELECT count(*), order_id, amount, \"is paid\", due, attempts, note, tags, context
             FROM observability_events GROUP BY 2, 3, 4, 5, 6, 7, 8, 9";
        cluster.psql(&url, select)
    };
    let copied = contents(Attempt::First).await;
    let id = "0190e6a4-0000-7000-8000-000000000001";
    let expected =
        format!("500|{id}|12.50|t|2026-01-31 06:00:00+00|3|a\tb \\N \"c\"|[\"x\", 1]|{{\"stays\": 1}}");
    assert!(copied.ends_with(&expected), "{copied}\n{expected}");
    assert_eq!(copied, contents(Attempt::Retry).await, "by INSERT");
}

#[tokio::test]
async fn a_row_without_the_field_has_null_there() {
    let cluster = Cluster::shared();
    let url = cluster.database_after(ADD);
    for (count, context) in [(Postgres::COPY_FROM_ROWS, "{}"), (1, r#"{"note":null,"stays":1}"#)] {
        let rows: Vec<Row> = (0..count).map(|_| with_context(context)).collect();
        postgres(&url).insert(&rows, Attempt::First).await.expect("stored");
    }
    let nulls = "SELECT count(*) FROM observability_events WHERE num_nulls(order_id, amount, \"is paid\", due, attempts,
         note, tags) = 7 AND NOT context ? 'note'";
    assert_eq!(cluster.psql(&url, nulls), (Postgres::COPY_FROM_ROWS + 1).to_string());
}

#[tokio::test]
async fn a_value_that_the_column_refuses_makes_that_row_rejected_alone() {
    let cluster = Cluster::shared();
    let url = cluster.database_after(&format!("{ADD}, ADD CHECK (amount > 0)"));
    let mut store = postgres(&url);
    for context in [r#"{"attempts":"many"}"#, r#"{"note":"more than twenty characters"}"#, r#"{"amount":-1}"#]
    {
        for attempt in [Attempt::First, Attempt::Retry] {
            let mut rows: Vec<Row> = (0..Postgres::COPY_FROM_ROWS).map(|_| with_context(FULL)).collect();
            rows.push(with_context(context));
            let error = store.insert(&rows, attempt).await.expect_err(context);
            assert_eq!(error.failure(), Failure::Quarantine, "{error}");
        }
    }
    cluster.psql(&url, "ALTER TABLE observability_events ALTER order_id SET NOT NULL");
    for attempt in [Attempt::First, Attempt::Retry] {
        let rows: Vec<Row> = (0..Postgres::COPY_FROM_ROWS).map(|_| with_context("{}")).collect();
        let error = store.insert(&rows, attempt).await.expect_err("a NULL");
        assert_eq!(error.failure(), Failure::Quarantine, "{error}");
    }
}

/// The server names the type and the value.
#[tokio::test]
async fn a_message_names_the_column_that_refuses_a_value() {
    let cluster = Cluster::shared();
    for (kind, value, what) in [
        ("varchar(3)", "\"word\"", "is too short"),
        ("bigint", "18446744073709551615", "takes no such value"),
        ("numeric(4,1)", "123456", "takes no such value"),
        ("jsonb", "\"text\"", "takes no such value"),
        ("integer[]", "2", "takes no such value"),
        ("timestamptz", "\"soon\"", "takes no such value"),
        ("uuid", "7", "takes no such value"),
    ] {
        let url = cluster.database();
        let columns = format!("ADD \"a field\" {kind}, ADD other bigint, ADD note varchar(20)");
        cluster.psql(&url, &format!("ALTER TABLE observability_events {columns}"));
        let store = Postgres::from_url(&url).expect("a URL").column("field", "a field").expect("a column");
        let store = store.column("other", "other").expect("a column");
        let mut store = store.column("note", "note").expect("a column");
        let said =
            format!("the column \"a field\", which the field \"field\" fills, {what}; let the owner run");
        let alter = "ALTER TABLE observability_events ALTER COLUMN \"a field\" TYPE text";
        let row = with_context(&format!("{{\"field\":{value},\"other\":12,\"note\":\"as long\"}}"));
        for attempt in [Attempt::First, Attempt::Retry] {
            let rows = vec![row.clone(); Postgres::COPY_FROM_ROWS];
            let error = store.insert(&rows, attempt).await.expect_err(kind).to_string();
            assert!(error.contains(&format!("{said} {alter}")), "{kind}: {error}");
        }
        cluster.psql(&url, alter);
        store.insert(&[row], Attempt::First).await.expect("a text takes it");
    }
}

#[tokio::test]
async fn rows_wait_for_a_missing_column_and_the_message_has_the_statement() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut store = Postgres::from_url(&url).expect("a URL").column("order", "Order").expect("a column");
    let rows: Vec<Row> = (0..Postgres::COPY_FROM_ROWS).map(|_| with_context(r#"{"order":7}"#)).collect();
    let error = store.insert(&rows, Attempt::First).await.expect_err("there is no such column");
    assert_eq!(error.failure(), Failure::Hold, "{error}");
    let statement = "ALTER TABLE observability_events ADD COLUMN \"Order\" text";
    assert!(error.to_string().contains(statement) && error.to_string().contains("from \"order\""), "{error}");

    let checkup = tracing_ledger::builder().column("order", "Order").check(&url, DEADLINE).expect("sound");
    let wrong: Vec<_> = checkup.findings.iter().filter(|finding| finding.health == Health::Wrong).collect();
    assert!(
        matches!(wrong.as_slice(), [one] if one.topic == "table" && one.text.contains(statement)),
        "{checkup}"
    );

    cluster.psql(&url, statement);
    store.insert(&rows, Attempt::First).await.expect("stored");
    let checkup = tracing_ledger::builder().column("order", "Order").check(&url, DEADLINE).expect("sound");
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    let made =
        "ALTER TABLE observability_events ADD twice text GENERATED ALWAYS AS (\"Order\" || \"Order\") STORED";
    cluster.psql(&url, made);
    let mut store = Postgres::from_url(&url).expect("a URL").column("order", "twice").expect("a column");
    let error = store.insert(&rows, Attempt::First).await.expect_err("the server makes it");
    assert_eq!(error.failure(), Failure::Hold, "{error}");
    assert!(error.to_string().contains("the server itself makes the column twice"), "{error}");
}

#[tokio::test]
async fn a_table_without_the_usual_references_keeps_the_ids_in_the_context() {
    let cluster = Cluster::shared();
    let url = cluster.database_after("ALTER TABLE observability_events DROP restaurant_id, DROP booking_id");
    let (without, id) = (["restaurant_id", "booking_id"], Uuid::from_u128(7));
    let mut store = without.iter().fold(Postgres::from_url(&url).expect("a URL"), |store, name| {
        store.column(name, None).expect("a known column")
    });
    for count in [Postgres::COPY_FROM_ROWS, 1] {
        let row = |_| {
            let mut row = with_context("{\"a\":1}");
            row.booking_id = Some(id);
            row
        };
        store.insert(&(0..count).map(row).collect::<Vec<_>>(), Attempt::First).await.expect("stored");
    }
    let contents = "SELECT context, count(*) FROM observability_events GROUP BY 1";
    let expected = format!("{{\"a\": 1, \"booking_id\": \"{id}\"}}|501");
    assert_eq!(cluster.psql(&url, contents), expected);
}

/// Two rows by way of a whole ledger. The column refuses the second.
fn record(builder: Builder, url: &str) -> Vec<(String, String)> {
    let rules: Rules = "[all]\nset = { service = \"orders\" }\n\
         columns = { order_id = \"order_id\", service = \"service\", booking_id = false }\n\
         [[rule]]\nevent = \"ordered\""
        .parse()
        .expect("sound rules");
    let (ledger, guard) = builder.rules(rules).build::<Registry>(url).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        tracing::info!(name: "ordered", order_id = 7, booking_id = %Uuid::from_u128(1), left = 2, "one");
        tracing::info!(name: "ordered", order_id = "seven", "two");
    });
    guard.flush(DEADLINE).expect("the rows are away");
    let rejected = guard.quarantined();
    guard.shutdown(DEADLINE).expect("nothing waits");
    rejected.into_iter().map(|row| (row.row.context, row.reason)).collect()
}

#[test]
fn a_ledger_fills_the_columns_that_its_rules_name_in_postgres() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    let made = "SELECT string_agg(column_name || ' ' || data_type, ',' ORDER BY ordinal_position)
         FROM information_schema.columns WHERE table_name = 'observability_events' AND ordinal_position > 6";
    assert!(record(tracing_ledger::builder().create_table(true), &url).is_empty(), "a text takes both");
    assert_eq!(cluster.psql(&url, made), "restaurant_id uuid,order_id text,service text");

    cluster.psql(&url, "TRUNCATE observability_events");
    cluster.psql(&url, "ALTER TABLE observability_events ALTER order_id TYPE bigint USING order_id::bigint");
    let rejected = record(tracing_ledger::builder(), &url);
    let [(context, reason)] = rejected.as_slice() else { panic!("{rejected:?}") };
    assert!(context.contains("\"order_id\":\"seven\"") && reason.contains("bigint"), "{rejected:?}");
    let stored = "SELECT order_id, service, context->>'booking_id', context->>'left', context ? 'order_id'
         FROM observability_events WHERE event_type = 'ordered'";
    assert_eq!(cluster.psql(&url, stored), format!("7|orders|{}|2|f", Uuid::from_u128(1)));
    let loss = "SELECT service, order_id IS NULL, context->>'cause' FROM observability_events WHERE source = 'tracing-ledger'";
    assert_eq!(cluster.psql(&url, loss), "orders|t|quarantined", "a row about a loss names its service");
}

#[tokio::test]
async fn a_ledger_fills_the_columns_that_its_rules_name_in_sqlite() {
    let file = SqliteFile::new();
    assert!(record(tracing_ledger::builder().create_table(true), &file.url()).is_empty());
    let stored = async {
        let mut database = sqlx::SqliteConnection::connect(&file.url()).await.expect("opens");
        let select = "SELECT order_id, service, context FROM observability_events ORDER BY order_id";
        let rows: Vec<(String, String, String)> =
            sqlx::query_as(select).fetch_all(&mut database).await.expect("reads");
        sqlx::raw_sql(
            "DELETE FROM observability_events; ALTER TABLE observability_events DROP COLUMN order_id",
        )
        .execute(&mut database)
        .await
        .expect("alters");
        rows
    }
    .await;
    let booking = Uuid::from_u128(1);
    let context = format!(r#"{{"left":2,"message":"one","booking_id":"{booking}"}}"#);
    assert_eq!(stored[0], ("7".to_owned(), "orders".to_owned(), context));
    assert_eq!((stored[1].0.as_str(), stored.len()), ("seven", 2));

    let builder = tracing_ledger::builder().column("order_id", "order_id").column("booking_id", None);
    let text = builder.check(&file.url(), DEADLINE).expect("sound").to_string();
    assert!(text.contains("ALTER TABLE observability_events ADD COLUMN \"order_id\""), "{text}");
    let store = Sqlite::from_url(&file.url()).expect("a URL").column("order_id", "order_id").expect("one");
    let mut store = store.column("booking_id", None).expect("a known column");
    let error = store.insert(&[with_context("{}")], Attempt::First).await.expect_err("it has no column");
    assert_eq!(error.failure(), Failure::Hold, "{error}");
    let strict =
        "ALTER TABLE observability_events ADD COLUMN order_id INTEGER CHECK (typeof(order_id) = 'integer')";
    async {
        let mut database = sqlx::SqliteConnection::connect(&file.url()).await.expect("opens");
        sqlx::raw_sql(strict).execute(&mut database).await.expect("alters");
    }
    .await;
    store.insert(&[with_context(r#"{"order_id":7}"#)], Attempt::First).await.expect("stored");
    let error =
        store.insert(&[with_context(r#"{"order_id":"x"}"#)], Attempt::First).await.expect_err("a text");
    assert_eq!(error.failure(), Failure::Quarantine, "{error}");
}

#[test]
fn a_column_that_cannot_be_filled_is_refused() {
    let built =
        |builder: Builder| builder.build::<Registry>("postgres://db/app").expect_err("refused").to_string();
    let error = built(tracing_ledger::builder().column("a", "created_at"));
    assert!(error.starts_with("\"column\" fills \"created_at\" from \"a\", but every row fills"), "{error}");
    let rules = "[all]\ncolumns = { a = \"x\",\n b = \"x\" }\n[[rule]]\nspan = \"work\"".parse::<Rules>();
    let error = rules.expect_err("twice").to_string();
    assert_eq!(
        error,
        "rules:3: \"all.columns\" fills \"x\" twice, from \"a\" and \"b\": use another column for one"
    );
    let rules: Rules = "[all]\ncolumns = { a = \"x\" }\n[[rule]]\nspan = \"work\"".parse().expect("sound");
    let error = built(tracing_ledger::builder().rules(rules).column("b", "x"));
    assert!(error.contains("twice, from \"a\" and \"b\""), "{error}");
    assert!(Postgres::from_url("postgres://db/app").expect("a URL").column("a", "id").is_err());
}

/// A row of each of two orders.
async fn ordered(mut store: impl Store) {
    for context in [r#"{"oid":7,"duration_ms":1}"#, r#"{"oid":8}"#] {
        store.insert(&[with_context(context)], Attempt::First).await.expect("stored");
    }
}

async fn assert_reported(url: &str) {
    let rules: Rules =
        "[all]\ncolumns = { oid = \"order_id\", booking_id = false }\n[[rule]]\nspan = \"test.event\""
            .parse()
            .expect("sound rules");
    for key in ["oid", "order_id"] {
        // A column is known by its own name without the rules.
        let question = if key == "oid" { Question::new().rules(rules.clone()) } else { Question::new() };
        let by = report(&question.clone().by(key).expect("a key"), &[url]).await.expect("an answer");
        let groups = by.events[0].groups.iter();
        let mut groups: Vec<_> = groups.map(|group| (group.by[0].1.clone(), group.figures.calls)).collect();
        groups.sort();
        assert_eq!(groups, [(Some("7".to_owned()), 1), (Some("8".to_owned()), 1)], "{key} in {url}");
        let seven = question.condition(&format!("{key}=7")).expect("a condition");
        assert_eq!(
            report(&seven, &[url]).await.expect("an answer").events[0].figures.calls,
            1,
            "{key} in {url}"
        );
        let told = story(&format!("{key}=8"), &seven, &[url]).await.expect("an answer");
        assert_eq!(told.rows.len(), 0, "of 7, none is of 8");
        let told = story(&format!("{key}=7"), &seven, &[url]).await.expect("an answer");
        assert_eq!(told.rows.len(), 1, "{key} in {url}");
        let text = told.to_string();
        assert!(text.contains(key), "{text}");
    }
}

#[tokio::test]
async fn reports_see_the_value_of_a_column_as_that_of_its_key() {
    let cluster = Cluster::shared();
    for context in ["jsonb", "text"] {
        let url = cluster.database();
        let change = format!(
            "ALTER TABLE observability_events ADD order_id bigint, DROP booking_id, ALTER context TYPE {context}"
        );
        cluster.psql(&url, &change);
        let store =
            Postgres::from_url(&url).expect("a URL").column("booking_id", None).expect("a known column");
        ordered(store.column("oid", "order_id").expect("a column")).await;
        let moved =
            "SELECT count(order_id), count(*) FILTER (WHERE context::text ~ 'oid') FROM observability_events";
        assert_eq!(cluster.psql(&url, moved), "2|0");
        assert_reported(&url).await;
    }
    let file = SqliteFile::new();
    let store = Sqlite::from_url(&file.url()).expect("a URL").create_table(true).column("booking_id", None);
    ordered(store.expect("a known column").column("oid", "order_id").expect("a column")).await;
    assert_reported(&file.url()).await;
}
