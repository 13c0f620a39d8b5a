//! The doctor finds what is wrong with a real database, says what to do, and leaves no row.

#[cfg(feature = "cli")]
mod command;
mod doubts;
mod places;
mod rows;
mod spool;

use std::time::Duration;

use sqlx::{Connection as _, Executor as _};
use support::{ClosedPort, Cluster, DEADLINE, SqliteFile};
use tracing_ledger::{Builder, Checkup, Finding, Health};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

/// For what never comes.
const SHORT: Duration = Duration::from_secs(2);

fn check(builder: &Builder, url: &str) -> Checkup {
    builder.check(url, DEADLINE).expect("the options are right")
}

/// The findings that are not ok.
fn faults(builder: &Builder, url: &str) -> Vec<Finding> {
    check(builder, url).findings.into_iter().filter(|finding| finding.health != Health::Ok).collect()
}

/// The one fault, which has these words.
#[track_caller]
fn only_fault(builder: &Builder, url: &str, health: Health, words: &[&str]) -> Finding {
    let found = faults(builder, url);
    let [fault] = &*found else { panic!("{words:?}: {found:?}") };
    assert_eq!(fault.health, health, "{fault}");
    assert!(words.iter().all(|word| fault.text.contains(word)), "{words:?}: {fault}");
    assert!(!fault.text.contains("s3cret"), "{fault}");
    fault.clone()
}

#[track_caller]
fn assert_fault(builder: &Builder, url: &str, topic: &str, health: Health, words: &[&str]) -> Finding {
    let fault = only_fault(builder, url, health, words);
    assert_eq!(fault.topic, topic, "{fault}");
    fault
}

fn as_role(url: &str, role: &str) -> String {
    url.replace("postgres@", &format!("{role}@"))
}

/// Runs SQL in a file, which is made if it is not there.
fn execute(file: &SqliteFile, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let url = format!("{}?mode=rwc", file.url());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("a file");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.expect("it succeeds");
    });
}

#[test]
fn all_is_well_and_no_row_stays() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let checkup = check(&tracing_ledger::builder(), &url);
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    for topic in ["rules", "spool", "connection", "tls", "clock", "table", "rights", "indexes", "rows"] {
        assert!(checkup.findings.iter().any(|finding| finding.topic == topic), "{topic}: {checkup}");
    }
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), "0");
}

#[test]
fn a_missing_right_is_named_with_the_grant() {
    let cluster = Cluster::shared();
    let url = cluster.database_after("CREATE ROLE doctors_stranger LOGIN");
    let (builder, stranger) = (tracing_ledger::builder(), as_role(&url, "doctors_stranger"));
    let words = ["GRANT INSERT ON observability_events"];
    assert_fault(&builder, &stranger, "rights", Health::Wrong, &words);
    cluster.psql(&url, "GRANT INSERT ON observability_events TO doctors_stranger");
    let checkup = check(&builder, &stranger);
    assert_eq!(checkup.health(), Health::Ok, "a role that only writes is no fault: {checkup}");
}

#[test]
fn a_role_that_cannot_log_in_is_wrong() {
    let url = as_role(&Cluster::shared().database(), "nobody_by_that_name");
    let words = ["the login was refused"];
    assert_fault(&tracing_ledger::builder(), &url, "connection", Health::Wrong, &words);
}

#[test]
fn a_missing_table_is_named_with_the_command() {
    let url = Cluster::shared().empty_database();
    let words = ["the table calls does not exist", "tracing-ledger schema --table calls"];
    assert_fault(&tracing_ledger::builder().table("calls"), &url, "table", Health::Wrong, &words);
}

#[test]
fn a_missing_column_is_named() {
    let url = Cluster::shared().database_after("ALTER TABLE observability_events DROP COLUMN booking_id");
    assert_fault(&tracing_ledger::builder(), &url, "table", Health::Wrong, &["no column booking_id"]);
}

#[test]
fn a_missing_index_is_named_with_its_statement() {
    let cluster = Cluster::shared();
    let url = cluster.database_after("DROP INDEX observability_events_event_type_created_at_idx");
    let remedy = "CREATE INDEX CONCURRENTLY ON observability_events (event_type, created_at DESC)";
    assert_fault(&tracing_ledger::builder(), &url, "indexes", Health::Wrong, &[remedy]);
    cluster.psql(&url, remedy);
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Ok);
}

/// Postgres makes no index of a partitioned table `CONCURRENTLY`.
#[test]
fn the_missing_indexes_of_a_partitioned_table_are_made_by_the_statements() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let table = "ALTER TABLE observability_events RENAME TO plain;
        CREATE TABLE observability_events (LIKE plain, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
        CREATE TABLE part PARTITION OF observability_events DEFAULT";
    cluster.psql(&url, table);
    let checkup = check(&tracing_ledger::builder(), &url);
    let missing: Vec<_> = checkup.findings.iter().filter(|finding| finding.topic == "indexes").collect();
    assert_eq!(missing.len(), 2, "{checkup}");
    for finding in missing {
        let (_, statement) = finding.text.split_once(": ").expect("a statement");
        cluster.psql(&url, statement);
    }
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Ok);
}

/// The contract allows these columns, which the documented queries cannot read.
#[test]
fn a_column_of_another_type_is_named_with_what_mends_the_queries() {
    let cluster = Cluster::shared();
    let outcomes = "SELECT context ->> 'outcome', jsonb_pretty(context) FROM observability_events
        WHERE created_at > now() - interval '1 hour'";
    for (context, created_at, words) in [
        ("text", "timestamptz", &["context is of type text, so context ->> 'outcome' fails"][..]),
        ("json", "timestamptz", &["context is of type json, so jsonb_pretty(context) fails"]),
        ("jsonb", "timestamp", &["right in the time zone UTC alone"]),
        ("varchar", "timestamp", &["context ->> 'outcome' fails", "right in the time zone UTC alone"]),
    ] {
        let url = cluster.database();
        let types = format!(
            "ALTER context TYPE {context}, ALTER created_at DROP DEFAULT, ALTER created_at TYPE {created_at}"
        );
        cluster.psql(&url, &format!("ALTER TABLE observability_events {types}"));
        let fault = assert_fault(&tracing_ledger::builder(), &url, "queries", Health::Warning, words);
        let (_, statement) = fault.text.split_once(": ").expect("a statement");
        cluster.psql(&url, statement);
        cluster.psql(&url, outcomes);
        let checkup = check(&tracing_ledger::builder(), &url);
        assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    }
}

#[test]
fn a_constraint_that_rejects_the_rows_of_a_rule_is_found() {
    let cluster = Cluster::shared();
    let url =
        cluster.database_after("ALTER TABLE observability_events ADD CHECK (event_type <> 'orders.create')");
    let rules = "builtin = true\n[[rule]]\nspan = 'work'\nevent_type = 'orders.create'\n";
    let builder = tracing_ledger::builder().rules(rules.parse().expect("good rules"));
    let remedy = "ALTER TABLE observability_events DROP CONSTRAINT \"observability_events_event_type_check\"";
    let words = ["rows of \"orders.create\" are rejected", remedy, "or change the event_type in their rules"];
    assert_fault(&builder, &url, "constraints", Health::Wrong, &words);
    cluster.psql(&url, remedy);
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Ok);
}

/// Only the calls know the fields.
#[test]
fn a_constraint_of_the_context_that_rows_may_pass_is_a_warning() {
    let url = Cluster::shared().database();
    let constraint = "CHECK (event_type = 'ledger.loss' OR context ? 'order_id')";
    Cluster::shared().psql(&url, &format!("ALTER TABLE observability_events ADD {constraint}"));
    let rules = "[[rule]]\nspan = 'c'\n".parse().expect("good rules");
    let builder = tracing_ledger::builder().rules(rules);
    let words =
        ["rows of \"c\" are rejected without the fields of their calls", "see whether the real rows pass"];
    assert_fault(&builder, &url, "constraints", Health::Warning, &words);
}

#[test]
fn a_table_that_the_ledger_makes_need_not_be_there_yet() {
    let url = Cluster::shared().empty_database();
    Cluster::shared().psql(&url, "CREATE SCHEMA late");
    for (builder, text) in [
        (tracing_ledger::builder().table("calls"), "calls does not exist yet: the first rows make it"),
        (
            tracing_ledger::builder().table("late.calls"),
            "late.calls does not exist yet: the first rows make it",
        ),
    ] {
        assert_eq!(check(&builder, &url).health(), Health::Wrong);
        let checkup = check(&builder.create_table(true), &url);
        assert_eq!(checkup.health(), Health::Ok, "{checkup}");
        assert!(
            checkup.findings.iter().any(|found| found.topic == "table" && found.text == text),
            "{checkup}"
        );
    }
    let made = tracing_ledger::builder().table("late.calls").create_table(true);
    let (layer, guard) = made.build(&url).expect("a ledger");
    assert_eq!(guard.check(DEADLINE).health(), Health::Ok, "before the first row");
    tracing::subscriber::with_default(Registry::default().with(layer), || {
        tracing::info!(ledger.event = "call");
    });
    guard.shutdown(DEADLINE).expect("it makes the table");
    assert_eq!(Cluster::shared().psql(&url, "SELECT count(*) FROM late.calls"), "1");
    Cluster::shared().psql(&url, "DROP TABLE late.calls");
    let table =
        "SELECT count(*) FROM pg_class WHERE relname LIKE '%calls' OR relname = 'observability_events'";
    assert_eq!(Cluster::shared().psql(&url, table), "0");
}

/// The public schema is nobody's to make tables in since PostgreSQL 15.
#[test]
fn a_table_that_the_role_may_not_make_is_a_fault() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    let role = "doctors_maker";
    cluster.psql(
        &url,
        &format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE SCHEMA own"),
    );
    let as_role = as_role(&url, role);
    for (table, topic, words) in [
        ("calls", "rights", "GRANT CREATE ON SCHEMA \"public\" TO"),
        ("own.calls", "rights", "may not use the schema own"),
        ("late.calls", "table", "let an owner run CREATE SCHEMA \"late\""),
    ] {
        let builder = tracing_ledger::builder().table(table).create_table(true);
        assert_fault(&builder, &as_role, topic, Health::Wrong, &[words]);
    }
}

#[test]
fn the_rows_that_are_tried_have_the_constants_of_all_rows() {
    let url = Cluster::shared().database_after(
        "ALTER TABLE observability_events ADD CHECK ((context ->> 'service' = 'orders') IS TRUE)",
    );
    let rules = "builtin = true\n[all]\nset = { service = 'orders' }\n".parse().expect("good rules");
    let builder = tracing_ledger::builder().rules(rules);
    let checkup = builder.check_by_writing(&url, DEADLINE).expect("the options are right");
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Wrong, "without the constant");
}

#[test]
fn a_server_that_is_not_there_could_not_be_checked() {
    let port = ClosedPort::new();
    let url = format!("postgres://someone:s3cret@127.0.0.1:{}/app", port.number());
    assert_fault(&tracing_ledger::builder(), &url, "connection", Health::Unknown, &["cannot connect"]);
}

#[test]
fn a_guard_looks_at_its_own_ledger() {
    let url = Cluster::shared().database();
    let (_ledger, guard) = tracing_ledger::builder().build::<Registry>(&url).expect("a ledger");
    let checkup = guard.check(DEADLINE);
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    assert!(checkup.findings.iter().any(|finding| finding.topic == "writer"), "{checkup}");
    guard.shutdown(DEADLINE).expect("nothing is left");
}

#[test]
fn a_marked_row_goes_all_the_way() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let checkup = tracing_ledger::builder().check_by_writing(&url, DEADLINE).expect("the options are right");
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    assert!(checkup.findings.iter().any(|finding| finding.topic == "write"), "{checkup}");
    assert_eq!(cluster.psql(&url, "SELECT event_type FROM observability_events"), "ledger.check");
    cluster.psql(&url, "CREATE RULE gone AS ON INSERT TO observability_events DO INSTEAD NOTHING");
    let checkup = tracing_ledger::builder().check_by_writing(&url, SHORT).expect("the options are right");
    assert_eq!(checkup.health(), Health::Wrong, "{checkup}");
}
