//! Tables as they are in the wild: each gets the same contents by COPY and by INSERT, or is named with what to change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::Cluster;
use tracing_ledger::store::{Attempt, Failure, InsertError, Postgres, Store};
use tracing_ledger::{Row, Severity};
use uuid::Uuid;

const SEVERITIES: [Severity; 4] = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];
const SELECT: &str = "SELECT md5(string_agg(trim(id::text) || created_at::text || source::text || event_type::text
     || trim(severity::text) || regexp_replace(context::text, '[ \\x01]', '', 'g') || (context::text ~ '\\x01')::text
     || coalesce(restaurant_id::text, '-') || coalesce(booking_id::text, '-'), ',' ORDER BY id::text))
     FROM observability_events";

/// Rows with all that is awkward; always the same.
fn batch(rows: usize) -> Vec<Row> {
    let row = |number: usize| {
        let at = UNIX_EPOCH + Duration::from_micros(1_769_846_400_123_456 + number as u64 * 1_000_003);
        let mut row = Row::new(at, "auto_assign", "auto_assign.quote");
        row.id = Uuid::from_u128(1 << 100 | number as u128);
        row.severity = SEVERITIES[number % 4];
        row.context = r#"{"a":"\\N \n\t \" größte","n":12.5}"#.to_owned();
        row.booking_id = number.is_multiple_of(2).then(|| Uuid::from_u128(number as u128));
        row.restaurant_id = number.is_multiple_of(3).then(|| Uuid::from_u128(number as u128));
        row
    };
    (0..rows).map(row).collect()
}

/// The table of schema.sql with changes, and a role that may only insert.
fn table(role: &str, changes: &str) -> (String, String) {
    let owner = Cluster::shared().database();
    // As another test may have made the role.
    let database = owner.rsplit('/').next().expect("a URL names its database");
    let role = format!("{role}_{database}");
    let sql = format!(
        "ALTER TABLE observability_events DROP CONSTRAINT observability_events_severity_check; {changes};
         CREATE ROLE {role} LOGIN; GRANT INSERT ON observability_events TO {role};"
    );
    Cluster::shared().psql(&owner, &sql);
    let url = owner.replace("postgres@", &format!("{role}@"));
    (owner, url)
}

async fn insert(url: &str, rows: &[Row]) -> Result<(), InsertError> {
    Postgres::from_url(url).expect("readable").insert(rows, Attempt::First).await
}

/// The contents of the table after 3000 rows, sent at once or ten by ten.
async fn contents(changes: &str, at_once: usize) -> String {
    let (owner, url) = table("shaped", changes);
    let rows = batch(3000);
    let mut store = Postgres::from_url(&url).expect("readable");
    for rows in rows.chunks(at_once) {
        store.insert(rows, Attempt::First).await.unwrap_or_else(|error| panic!("{changes}: {error}"));
    }
    store.insert(&rows, Attempt::Retry).await.unwrap_or_else(|error| panic!("{changes}: {error}"));
    Cluster::shared().psql(&owner, &format!("SET TimeZone = 'UTC'; {SELECT}"))
}

async fn same_both_ways(shapes: &[&str]) {
    let usual = contents("", 3000).await;
    for changes in shapes {
        let copied = contents(changes, 3000).await;
        assert_eq!(copied, contents(changes, 1000).await, "{changes}");
        assert_eq!(copied, contents(changes, 300).await, "by INSERT: {changes}");
        let same_text = !changes.contains("created_at TYPE");
        assert!(!same_text || copied == usual, "another than the usual table: {changes}");
    }
}

#[tokio::test]
async fn every_type_of_the_context_has_the_same_contents() {
    same_both_ways(&[
        "ALTER TABLE observability_events ALTER context TYPE text",
        "ALTER TABLE observability_events ALTER context TYPE json",
        "ALTER TABLE observability_events ALTER context TYPE varchar(10000)",
        "CREATE DOMAIN payload AS jsonb CHECK (jsonb_typeof(value) = 'object');
         CREATE DOMAIN payload2 AS payload; ALTER TABLE observability_events ALTER context TYPE payload2",
    ])
    .await;
}

#[tokio::test]
async fn every_type_of_ids_times_and_words_has_the_same_contents() {
    same_both_ways(&[
        "ALTER TABLE observability_events ALTER id DROP DEFAULT, ALTER id TYPE text, ALTER booking_id TYPE text,
             ALTER restaurant_id TYPE varchar(36)",
        "ALTER TABLE observability_events ALTER id DROP DEFAULT, ALTER id TYPE char(36)",
        "ALTER TABLE observability_events ALTER created_at TYPE timestamp",
        "ALTER TABLE observability_events ALTER created_at DROP DEFAULT, ALTER created_at TYPE text",
        "CREATE TYPE severity AS ENUM ('info', 'warning', 'error', 'critical');
         ALTER TABLE observability_events ALTER severity DROP DEFAULT, ALTER severity TYPE severity USING 'info'",
        "ALTER TABLE observability_events ALTER severity TYPE varchar(8)",
        "CREATE SCHEMA types; CREATE DOMAIN types.\"Word\" AS text CHECK (value <> '');
         GRANT USAGE ON SCHEMA types TO PUBLIC;
         ALTER TABLE observability_events ALTER source TYPE types.\"Word\", ALTER severity TYPE types.\"Word\"",
    ])
    .await;
}

#[tokio::test]
async fn columns_of_others_and_every_kind_of_table_have_the_same_contents() {
    same_both_ways(&[
        "ALTER TABLE observability_events ADD region text NOT NULL DEFAULT 'eu', ADD extra int,
             ADD day date GENERATED ALWAYS AS ((created_at AT TIME ZONE 'UTC')::date) STORED,
             ADD number bigint GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE observability_events DROP booking_id; ALTER TABLE observability_events ADD booking_id uuid",
        "ALTER TABLE observability_events DROP CONSTRAINT observability_events_pkey, ADD UNIQUE (id, created_at)",
        "ALTER TABLE observability_events RENAME TO kept;
         CREATE VIEW observability_events AS SELECT * FROM kept",
        "ALTER TABLE observability_events RENAME TO kept;
         CREATE VIEW observability_events AS SELECT * FROM kept;
         CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
             INSERT INTO kept VALUES (NEW.*) ON CONFLICT DO NOTHING; RETURN NEW; END$$;
         CREATE TRIGGER put INSTEAD OF INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION put()",
        "ALTER TABLE observability_events RENAME TO kept;
         CREATE TABLE observability_events (LIKE kept INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY HASH (id);
         CREATE TABLE even PARTITION OF observability_events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE odd PARTITION OF observability_events FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "ALTER TABLE observability_events RENAME TO kept;
         CREATE TABLE observability_events (LIKE kept) PARTITION BY RANGE (((created_at AT TIME ZONE 'UTC')::date));
         CREATE TABLE every PARTITION OF observability_events (PRIMARY KEY (id)) DEFAULT",
        "ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY;
         CREATE POLICY all_rows ON observability_events FOR INSERT WITH CHECK (true)",
    ])
    .await;
}

/// Each table, and the words of the message.
const REFUSED: [(&str, &str); 19] = [
    ("ALTER TABLE observability_events DROP booking_id", "no column booking_id"),
    (
        "ALTER TABLE observability_events DROP booking_id, ADD booking_id bigint",
        "booking_id of observability_events is of type bigint",
    ),
    (
        "ALTER TABLE observability_events DROP id, ADD id bigserial PRIMARY KEY",
        "id of observability_events is of type bigint",
    ),
    (
        "ALTER TABLE observability_events DROP id, ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "server itself makes the column id",
    ),
    (
        "ALTER TABLE observability_events DROP id, ADD id char(30) PRIMARY KEY",
        "id of observability_events is of type character(30)",
    ),
    (
        "ALTER TABLE observability_events ALTER created_at TYPE date",
        "created_at of observability_events is of type date",
    ),
    (
        "ALTER TABLE observability_events DROP created_at, ADD created_at timestamptz GENERATED ALWAYS AS ('2026-01-01 00:00:00+00') STORED",
        "server itself makes the column created_at",
    ),
    (
        "ALTER TABLE observability_events ALTER severity TYPE varchar(7)",
        "severity of observability_events is of type character varying(7)",
    ),
    (
        "ALTER TABLE observability_events DROP context, ADD context bytea",
        "context of observability_events is of type bytea",
    ),
    ("ALTER TABLE observability_events ADD region text NOT NULL", "null value in column \"region\""),
    ("ALTER TABLE observability_events DROP CONSTRAINT observability_events_pkey", "add PRIMARY KEY (id)"),
    (
        "ALTER TABLE observability_events DROP CONSTRAINT observability_events_pkey, ADD UNIQUE (id) DEFERRABLE",
        "is DEFERRABLE",
    ),
    (
        "ALTER TABLE observability_events DROP CONSTRAINT observability_events_pkey, ADD UNIQUE (created_at)",
        "no unique key on id",
    ),
    (
        "ALTER TABLE observability_events RENAME TO kept;
         CREATE TABLE observability_events (LIKE kept) PARTITION BY RANGE (created_at);
         CREATE TABLE sub PARTITION OF observability_events DEFAULT PARTITION BY LIST (source);
         CREATE TABLE leaf PARTITION OF sub DEFAULT",
        "no unique key on id",
    ),
    (
        "ALTER TABLE observability_events DROP CONSTRAINT observability_events_pkey;
         ALTER TABLE observability_events RENAME TO kept;
         CREATE VIEW observability_events AS SELECT * FROM kept",
        "no unique key on id",
    ),
    (
        "CREATE TABLE log (n int);
         CREATE RULE logged AS ON INSERT TO observability_events DO ALSO INSERT INTO log VALUES (1)",
        "has the rule logged",
    ),
    (
        "CREATE SCHEMA own; CREATE EXTENSION citext SCHEMA own;
         ALTER TABLE observability_events ALTER source TYPE own.citext",
        "GRANT USAGE ON SCHEMA own",
    ),
    (
        "CREATE SCHEMA own; CREATE TYPE own.word AS ENUM ('info', 'warning', 'error', 'critical');
         ALTER TABLE observability_events ALTER severity DROP DEFAULT, ALTER severity TYPE own.word USING 'info'",
        "GRANT USAGE ON SCHEMA own",
    ),
    (
        "CREATE DOMAIN region AS text NOT NULL; ALTER TABLE observability_events ADD region region",
        "column region of observability_events is NOT NULL",
    ),
];

#[tokio::test]
async fn a_table_that_cannot_work_is_named_and_mended() {
    for (changes, words) in REFUSED {
        let (owner, url) = table("refused", changes);
        for rows in [10, 3000] {
            let error = insert(&url, &batch(rows)).await.expect_err(changes);
            assert_eq!(error.failure(), Failure::Hold, "{changes}: {error}");
            assert!(error.to_string().contains(words), "{changes}: {error}");
        }
        let rows = Cluster::shared().psql(&owner, "SELECT count(*) FROM observability_events");
        assert_eq!(rows, "0", "{changes}");
    }
}

#[tokio::test]
async fn a_table_that_is_altered_meanwhile_is_looked_at_again() {
    let (owner, url) = table("altered", "");
    let cluster = Cluster::shared();
    let mut store = Postgres::from_url(&url).expect("readable");
    store.insert(&batch(10), Attempt::First).await.expect("stored");
    cluster.psql(
        &owner,
        "DELETE FROM observability_events; ALTER TABLE observability_events ALTER context TYPE text",
    );
    store.insert(&batch(3000), Attempt::First).await.expect("stored");
    let marked = cluster.psql(&owner, "SELECT count(*) FROM observability_events WHERE context !~ '^{'");
    assert_eq!(marked, "0");
    cluster.psql(&owner, "CREATE TYPE word AS ENUM ('info', 'warning', 'error', 'critical');
         ALTER TABLE observability_events ALTER severity DROP DEFAULT, ALTER severity TYPE word USING severity::word");
    store.insert(&batch(3010)[3000..], Attempt::First).await.expect_err("the cast does not fit any more");
    store.insert(&batch(3010)[3000..], Attempt::Retry).await.expect("it was looked at again");
    assert_eq!(cluster.psql(&owner, "SELECT count(*) FROM observability_events"), "3010");
}

#[tokio::test]
async fn other_encodings_take_what_they_have() {
    let cluster = Cluster::shared();
    for (encoding, has_umlauts, has_emoji) in
        [("LATIN1", true, false), ("SQL_ASCII", true, true), ("EUC_JP", true, false)]
    {
        let name = format!("encoded_{}", encoding.to_lowercase());
        let sql = format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        cluster.psql(&cluster.url(), &sql);
        let url = cluster.url_of_the_same(&name);
        cluster.psql(&url, include_str!("../../schema.sql"));
        for rows in [10, 3000] {
            for (text, fits) in [("größte", has_umlauts), ("🍽", has_emoji)] {
                let mut batch: Vec<Row> =
                    (0..rows).map(|_| Row::new(SystemTime::now(), "test", "test")).collect();
                batch[0].context = format!(r#"{{"a":"{text}"}}"#);
                match insert(&url, &batch).await {
                    Ok(()) => assert!(fits, "{encoding} {text}"),
                    Err(error) => {
                        assert!(!fits, "{encoding} {text}: {error}");
                        assert_eq!(error.failure(), Failure::Quarantine, "{error}");
                        assert!(error.to_string().contains("encoding UTF8 has them all"), "{error}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_table_in_another_schema_is_found_by_the_search_path() {
    let (owner, url) = table(
        "elsewhere",
        "CREATE SCHEMA ledger; ALTER TABLE observability_events SET SCHEMA ledger; GRANT USAGE ON SCHEMA ledger TO PUBLIC;
         SET search_path = ledger",
    );
    let role = url.split("//").nth(1).and_then(|rest| rest.split('@').next()).expect("a role");
    Cluster::shared().psql(&owner, &format!("ALTER ROLE {role} SET search_path = ledger"));
    insert(&url, &batch(10)).await.expect("stored");
    insert(&url, &batch(3000)[10..]).await.expect("stored");
    assert_eq!(Cluster::shared().psql(&owner, "SELECT count(*) FROM ledger.observability_events"), "3000");
}
