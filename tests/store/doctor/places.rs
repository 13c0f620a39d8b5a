//! The doctor says what to do about a server, database, schema or table that takes no rows.

use std::process::{Command, Stdio};

use support::until;

use super::*;

const COLUMNS: &str =
    "id uuid NOT NULL, created_at timestamptz NOT NULL, source text NOT NULL, event_type text NOT NULL,
    severity text NOT NULL, context jsonb, restaurant_id uuid, booking_id uuid";

/// A database after these changes, and its URL as a new role that may insert.
struct Place {
    owner: String,
    writer: String,
    role: String,
}

impl Place {
    fn new(changes: &str) -> Self {
        let cluster = Cluster::shared();
        let owner = cluster.database();
        let database = owner.rsplit('/').next().expect("a URL names its database");
        let role = format!("writer_{database}");
        let grant =
            format!("CREATE ROLE {role} LOGIN; GRANT INSERT ON ALL TABLES IN SCHEMA public TO {role}");
        for changes in [changes, &grant] {
            cluster.psql(&owner, changes);
        }
        let writer = owner.replace("//postgres@", &format!("//{role}@"));
        Self { owner, writer, role }
    }

    fn psql(&self, sql: &str) {
        let database = self.owner.rsplit('/').next().expect("a URL names its database");
        let sql = sql.replace("ROLE_NAME", &self.role).replace("DATABASE_NAME", database);
        // Some of it keeps everybody out of this database.
        let url = if sql.contains(" DATABASE ") { Cluster::shared().url() } else { self.owner.clone() };
        Cluster::shared().psql(&url, &sql);
    }
}

#[test]
fn a_missing_schema_is_made_by_the_remedy() {
    let place = Place::new("");
    let builder = tracing_ledger::builder().table("no.such");
    let words =
        ["the schema no does not exist", "CREATE SCHEMA \"no\"", "tracing-ledger schema --table no.such"];
    assert_fault(&builder, &place.writer, "table", Health::Wrong, &words);
    // The owner of the schema need not be allowed to make schemas.
    let schema = builder.schema().expect("a name");
    place.psql(&schema);
    place.psql("DROP TABLE \"no\".such");
    let words = [
        &*place.role,
        "may not use the schema no",
        &format!("GRANT USAGE ON SCHEMA \"no\" TO \"{}\"", place.role),
    ];
    assert_fault(&builder, &place.writer, "rights", Health::Wrong, &words);
    place.psql("GRANT USAGE ON SCHEMA \"no\" TO ROLE_NAME");
    let words = ["the table no.such does not exist", "tracing-ledger schema --table no.such"];
    assert_fault(&builder, &place.writer, "table", Health::Wrong, &words);
    place.psql(&format!(
        "ALTER SCHEMA \"no\" OWNER TO ROLE_NAME; SET ROLE ROLE_NAME; {schema};
         RESET ROLE; ALTER TABLE \"no\".such OWNER TO postgres; ALTER SCHEMA \"no\" OWNER TO postgres;
         GRANT USAGE ON SCHEMA \"no\" TO ROLE_NAME"
    ));
    assert_fault(&builder, &place.writer, "rights", Health::Wrong, &["GRANT INSERT ON no.such TO"]);
    place.psql("GRANT INSERT ON \"no\".such TO ROLE_NAME");
    assert_eq!(faults(&builder, &place.writer), []);
}

#[test]
fn a_table_in_another_schema_is_found() {
    let place = Place::new("CREATE SCHEMA app; ALTER TABLE observability_events SET SCHEMA app");
    let words =
        ["no schema of the search path (public)", "the schema app has one", "app.observability_events"];
    assert_fault(&tracing_ledger::builder(), &place.writer, "table", Health::Wrong, &words);
}

#[test]
fn each_obstacle_for_a_role_has_a_remedy() {
    for (changes, topic, health, words) in [
        (
            "ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY;
             CREATE POLICY others ON observability_events FOR INSERT WITH CHECK (source = 'x')",
            "rights",
            Health::Wrong,
            "CREATE POLICY ledger ON observability_events FOR INSERT WITH CHECK (true)",
        ),
        (
            "ALTER TABLE observability_events ADD n bigserial",
            "rights",
            Health::Wrong,
            "GRANT USAGE ON SEQUENCE",
        ),
        (
            "REVOKE INSERT ON observability_events FROM ROLE_NAME;
             GRANT INSERT (id, created_at) ON observability_events TO ROLE_NAME",
            "rights",
            Health::Wrong,
            "GRANT INSERT ON observability_events TO",
        ),
        (
            "ALTER ROLE ROLE_NAME SET default_transaction_read_only = on",
            "table",
            Health::Wrong,
            "default_transaction_read_only is on, for the role",
        ),
        (
            "REVOKE CONNECT ON DATABASE DATABASE_NAME FROM PUBLIC",
            "connection",
            Health::Wrong,
            "GRANT CONNECT ON DATABASE",
        ),
        (
            "ALTER DATABASE DATABASE_NAME ALLOW_CONNECTIONS false",
            "connection",
            Health::Wrong,
            "ALTER DATABASE … ALLOW_CONNECTIONS true",
        ),
        (
            "ALTER ROLE ROLE_NAME CONNECTION LIMIT 0",
            "connection",
            Health::Unknown,
            "CONNECTION LIMIT by ALTER ROLE",
        ),
        (
            "ALTER ROLE ROLE_NAME NOLOGIN",
            "connection",
            Health::Wrong,
            "the login was refused; check the user",
        ),
    ] {
        let place = Place::new("");
        place.psql(changes);
        assert_fault(&tracing_ledger::builder(), &place.writer, topic, health, &[words]);
    }
    // Transactions of the ledger have a timeout of their own.
    let place = Place::new("");
    place.psql("ALTER ROLE ROLE_NAME SET statement_timeout = '1ms'");
    assert_eq!(faults(&tracing_ledger::builder(), &place.writer), []);
}

#[test]
fn an_object_in_the_place_of_the_table_is_named() {
    let replaced = |by: &str| format!("ALTER TABLE observability_events RENAME TO events; {by}");
    let view = "VIEW observability_events AS SELECT";
    for (changes, topic, words) in [
        (replaced(&format!("CREATE {view} DISTINCT * FROM events")), "table", "the view takes no rows; give it an INSTEAD OF INSERT"),
        (replaced(&format!("CREATE MATERIALIZED {view} * FROM events")), "table", "neither a table nor a view that takes rows"),
        (
            replaced(&format!("CREATE {view} * FROM events WHERE source = 'x' WITH CHECK OPTION")),
            "table",
            "the view has WITH CHECK OPTION",
        ),
        (
            replaced(&format!(
                "CREATE {view} * FROM events;
                 CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                 CREATE TRIGGER gone INSTEAD OF INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION gone()"
            )),
            "constraints",
            "DROP TRIGGER gone ON observability_events",
        ),
        (
            "ALTER TABLE observability_events DROP severity,
             ADD severity text GENERATED ALWAYS AS (source) STORED"
                .to_owned(),
            "table",
            "ALTER COLUMN \"severity\" DROP EXPRESSION",
        ),
        (
            "ALTER TABLE observability_events DROP event_type CASCADE; CREATE INDEX ON observability_events (created_at)".to_owned(),
            "table",
            "ALTER TABLE observability_events ADD COLUMN event_type text",
        ),
    ] {
        let place = Place::new(&changes);
        let found = faults(&tracing_ledger::builder(), &place.owner);
        let [fault] = found.iter().filter(|fault| fault.topic != "indexes").collect::<Vec<_>>()[..] else {
            panic!("{words}: {found:?}")
        };
        assert_eq!((fault.topic, fault.health), (topic, Health::Wrong), "{fault}");
        assert!(fault.text.contains(words), "{words}: {fault}");
    }
    let place = Place::new(&replaced(&format!("CREATE {view} * FROM events")));
    assert_eq!(faults(&tracing_ledger::builder(), &place.owner), [], "a view that takes rows will do");
}

#[test]
fn a_missing_partition_is_made_by_the_remedy() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    let table = format!(
        "CREATE TABLE observability_events ({COLUMNS}, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
         CREATE TABLE past PARTITION OF observability_events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE INDEX ON observability_events (created_at);
         CREATE INDEX ON observability_events (event_type, created_at)"
    );
    cluster.psql(&url, &table);
    let make = "CREATE TABLE observability_events_default PARTITION OF observability_events DEFAULT";
    assert_fault(
        &tracing_ledger::builder(),
        &url,
        "table",
        Health::Wrong,
        &["no partition of relation", make],
    );
    cluster.psql(&url, make);
    assert_eq!(faults(&tracing_ledger::builder(), &url), []);
}

#[test]
fn a_lock_keeps_the_doctor_from_looking() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut holder = Command::new(cluster.program("psql"))
        .args(["-q", "-d", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("psql starts");
    let mut stdin = holder.stdin.take().expect("stdin is a pipe");
    std::io::Write::write_all(&mut stdin, b"BEGIN; LOCK TABLE observability_events;\n")
        .expect("psql listens");
    let held = "SELECT count(*) FROM pg_locks WHERE relation = 'observability_events'::regclass
        AND mode = 'AccessExclusiveLock' AND granted";
    until("the table is locked", || cluster.psql(&url, held) == "1");
    let found = faults(&tracing_ledger::builder(), &url);
    drop(stdin);
    holder.wait().expect("psql ends");
    assert!(found.iter().all(|fault| fault.health == Health::Unknown), "{found:?}");
    assert!(found[0].topic == "table" && found[0].text.contains("end its transaction"), "{found:?}");
    assert_eq!(faults(&tracing_ledger::builder(), &url), []);
}

#[test]
fn a_clock_that_is_wrong_is_found() {
    let place = Place::new(
        "CREATE SCHEMA fake; CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
         $$SELECT pg_catalog.clock_timestamp() + interval '1 hour'$$",
    );
    let url = format!("{}?options=-c%20search_path%3Dfake,pg_catalog,public", place.owner);
    let words = ["the clock of the server is +36", "set both by NTP"];
    assert_fault(&tracing_ledger::builder(), &url, "clock", Health::Wrong, &words);
}

#[test]
fn a_server_that_cannot_be_reached_is_named_with_what_to_check() {
    let url = Cluster::shared().database();
    let connection = |url: &str, health, words: &[&str]| {
        assert_fault(&tracing_ledger::builder(), url, "connection", health, words);
    };
    let other = url.replace(url.rsplit('/').next().expect("a database"), "no_such_database");
    connection(&other, Health::Wrong, &["the database does not exist; create it"]);
    connection(&format!("{url}?sslmode=require"), Health::Wrong, &["the server offers no TLS"]);
    let port = ClosedPort::new();
    let away = format!("postgres://someone@127.0.0.1:{}/app", port.number());
    connection(&away, Health::Unknown, &["refused", "check the host and the port of the URL"]);
}
