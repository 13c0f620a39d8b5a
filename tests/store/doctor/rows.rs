//! The rows that the doctor tries are those that the rules can write, and each line about a rejected one says what to do.

use tracing_ledger::Rules;

use super::{Builder, Cluster, Finding, Health, SqliteFile, check, execute};

const RULES: &str = "builtin = false
[[rule]]
span = 'create_order'
event_type = 'orders.create'
source = 'orders'
[[rule]]
event = 'orders.refund'
source = 'billing'
severity = { field = 'status', map = { 5xx = 'critical' } }
";

fn orders() -> Builder {
    tracing_ledger::builder().rules(RULES.parse::<Rules>().expect("good rules"))
}

/// What the doctor finds in a fresh database after these changes, other than ok.
fn faults(builder: &Builder, changes: &str) -> (String, Vec<Finding>) {
    let url = Cluster::shared().database_after(changes);
    let faults = faults_in(builder, &url);
    (url, faults)
}

fn faults_in(builder: &Builder, url: &str) -> Vec<Finding> {
    let faults = super::faults(builder, url);
    let stored = Cluster::shared().try_psql(url, "SELECT count(*) FROM observability_events");
    assert!(stored.is_err() || stored.as_deref() == Ok("0"), "no row stays: {stored:?}");
    faults
}

/// The one fault has these words, and is gone after the remedy, which it names.
#[track_caller]
fn assert_remedy(builder: &Builder, changes: &str, health: Health, words: &[&str], remedy: &str) {
    let (url, found) = faults(builder, changes);
    let [fault] = &*found else { panic!("{changes}: {found:?}") };
    assert_eq!(fault.health, health, "{fault}");
    assert!(words.iter().all(|word| fault.text.contains(word)), "{words:?}: {fault}");
    assert!(fault.text.contains(remedy), "{remedy}: {fault}");
    Cluster::shared().psql(&url, remedy);
    let left = faults_in(builder, &url);
    assert!(left.is_empty(), "{remedy}: {left:?}");
}

#[test]
fn each_severity_source_and_event_type_is_tried() {
    let drop = "ALTER TABLE observability_events DROP CONSTRAINT \"own\"";
    for (condition, words) in [
        (
            "severity <> 'warning'",
            [
                "rows of \"orders.create\" (warning), \"orders.refund\" (warning), \"ledger.loss\" are rejected",
                "change the severity",
            ],
        ),
        (
            "severity <> 'critical'",
            ["rows of \"orders.refund\" (critical) are rejected", "change the severity"],
        ),
        ("severity <> 'error'", ["rows of \"orders.refund\" (error) are rejected", "change the severity"]),
        ("source <> 'billing'", ["rows of \"orders.refund\" are rejected", "change the source"]),
        (
            "event_type <> 'orders.refund'",
            ["rows of \"orders.refund\" are rejected", "change the event_type"],
        ),
        (
            "event_type <> 'ledger.loss'",
            ["rows of \"ledger.loss\" are rejected", "or change it so that it allows these rows"],
        ),
    ] {
        let change = format!("ALTER TABLE observability_events ADD CONSTRAINT own CHECK ({condition})");
        assert_remedy(&orders(), &change, Health::Wrong, &words, drop);
    }
}

#[test]
fn a_name_that_only_callsites_know_is_a_guess() {
    let rules = "[[rule]]\nevent = 'orders.*'\n".parse::<Rules>().expect("good rules");
    let change = "ALTER TABLE observability_events ADD CONSTRAINT own CHECK (event_type IN ('orders.paid', 'ledger.loss'))";
    let words = [
        "rows of \"orders.check\" are rejected with the value event_type \"orders.check\", which is made up",
    ];
    let drop = "ALTER TABLE observability_events DROP CONSTRAINT \"own\"";
    assert_remedy(&tracing_ledger::builder().rules(rules), change, Health::Warning, &words, drop);
}

#[test]
fn a_column_that_a_field_fills_is_tried_with_a_value_and_without() {
    let kinds = [
        "uuid",
        "text",
        "integer",
        "numeric(4,1)",
        "boolean",
        "timestamptz",
        "date",
        "interval",
        "jsonb",
        "text[]",
        "inet",
        "severity_of",
        "domain_of",
    ];
    let names: Vec<_> = (0..kinds.len()).map(|number| format!("c{number}")).collect();
    let every = names.iter().fold(orders(), |builder, name| builder.column(name, name.as_str()));
    let adds: Vec<_> =
        kinds.iter().zip(&names).map(|(kind, name)| format!("ADD {name} {kind} NOT NULL")).collect();
    let types = "CREATE TYPE severity_of AS ENUM ('low', 'high'); CREATE DOMAIN domain_of AS integer";
    let (url, found) =
        faults(&every, &format!("{types}; ALTER TABLE observability_events {}", adds.join(", ")));
    assert_eq!(found.len(), kinds.len(), "{found:?}");
    for (name, fault) in names.iter().zip(&found) {
        let words =
            format!("rows without the field \"{name}\" are rejected, because the column {name} is NOT NULL");
        let nullable = format!("ALTER TABLE observability_events ALTER COLUMN \"{name}\" DROP NOT NULL");
        assert_eq!(fault.health, Health::Warning, "{fault}");
        assert!(fault.text.contains(&words) && fault.text.contains(&nullable), "{fault}");
        Cluster::shared().psql(&url, &nullable);
    }
    assert_eq!(faults_in(&every, &url), []);
    let builder = orders().column("order_id", "order_id");
    let drop = "ALTER TABLE observability_events DROP CONSTRAINT \"own\"";
    for change in [
        "ADD order_id text, ADD CONSTRAINT own CHECK (order_id LIKE 'o-%')",
        "ADD order_id uuid, ADD CONSTRAINT own FOREIGN KEY (order_id) REFERENCES orders",
    ] {
        let change =
            format!("CREATE TABLE orders (id uuid PRIMARY KEY); ALTER TABLE observability_events {change}");
        let words = ["with the value order_id \"", "which is made up", "see whether the real values pass"];
        assert_remedy(&builder, &change, Health::Warning, &words, drop);
    }
    let change =
        "ALTER TABLE observability_events ADD order_id text, ADD CONSTRAINT own CHECK (order_id IS NOT NULL)";
    let words = ["are rejected if they lack the fields of \"columns\""];
    assert_remedy(&builder, change, Health::Warning, &words, drop);
}

#[test]
fn a_reference_that_may_not_be_null_is_a_warning() {
    let change = "ALTER TABLE observability_events ALTER booking_id SET NOT NULL";
    let remedy = "ALTER TABLE observability_events ALTER COLUMN \"booking_id\" DROP NOT NULL";
    assert_remedy(&orders(), change, Health::Warning, &["rows without the field \"booking_id\""], remedy);
}

#[test]
fn each_fault_that_rejects_all_rows_has_a_remedy() {
    let trigger = |body: &str| {
        format!(
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$;
             CREATE TRIGGER guards BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION guard()"
        )
    };
    let of_table = "ALTER TABLE observability_events";
    for (change, words, remedy) in [
        (
            format!("{of_table} ADD tenant text NOT NULL"),
            "the ledger does not know this column",
            format!("{of_table} ALTER COLUMN \"tenant\" DROP NOT NULL"),
        ),
        (
            format!("{of_table} ADD CONSTRAINT own CHECK (source = 'nobody')"),
            "change the source in their rules",
            format!("{of_table} DROP CONSTRAINT \"own\""),
        ),
        (
            format!(
                "CREATE TABLE sources (name text PRIMARY KEY); {of_table} ADD CONSTRAINT own FOREIGN KEY (source) REFERENCES sources"
            ),
            "put what these rows refer to into the other table first",
            format!("{of_table} DROP CONSTRAINT \"own\""),
        ),
        (
            trigger("RAISE EXCEPTION 'closed';"),
            "closed; the trigger function guard() rejects the row",
            format!("{of_table} DISABLE TRIGGER guards"),
        ),
        (
            trigger("RETURN NULL;"),
            "reports no error: correct the trigger that returns NULL",
            format!("{of_table} DISABLE TRIGGER guards"),
        ),
        (
            format!("{of_table} ALTER event_type TYPE varchar(5)"),
            "or change the event_type in their rules",
            format!("{of_table} ALTER COLUMN \"event_type\" TYPE text"),
        ),
        (
            format!("CREATE TYPE kind AS ENUM ('orders', 'tracing-ledger'); {of_table} ALTER source TYPE kind USING source::kind"),
            "or change the source in their rules",
            "ALTER TYPE kind ADD VALUE 'billing'".to_owned(),
        ),
        (
            "CREATE TABLE copies (id uuid); CREATE FUNCTION copies() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN INSERT INTO copy SELECT NEW.id; RETURN NULL; END$$;
             CREATE TRIGGER \"to copies\" AFTER INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION copies()"
                .to_owned(),
            "correct the trigger or function of the table that failed",
            format!("{of_table} DISABLE TRIGGER \"to copies\""),
        ),
        (
            format!("{of_table} ADD CONSTRAINT own UNIQUE (source, created_at)"),
            "is left out without an error",
            format!("{of_table} DROP CONSTRAINT own"),
        ),
        (
            "CREATE UNIQUE INDEX own ON observability_events (lower(source))".to_owned(),
            "is left out without an error",
            "DROP INDEX own".to_owned(),
        ),
    ] {
        assert_remedy(&orders(), &change, Health::Wrong, &[words], &remedy);
    }
}

#[test]
fn a_table_of_sqlite_is_tried_with_the_same_rows() {
    let file = SqliteFile::new();
    let schema = "CREATE TABLE observability_events (id TEXT PRIMARY KEY, created_at TEXT, source TEXT, event_type TEXT, severity TEXT CHECK (severity <> 'critical'), context TEXT, restaurant_id TEXT, booking_id TEXT, order_id TEXT NOT NULL); CREATE INDEX i ON observability_events (event_type, created_at)";
    execute(&file, schema);
    let builder = orders().column("order_id", "order_id");
    let said = check(&builder, &file.url()).to_string();
    assert!(said.contains("WRONG constraints rows of \"orders.refund\" (critical) are rejected: "), "{said}");
    assert!(said.contains("make the table anew without this constraint"), "{said}");
    assert!(said.contains("warn  constraints rows of \"orders.create\""), "{said}");
    assert!(said.contains("if they lack the fields of \"columns\""), "{said}");
}

#[test]
fn rows_of_sqlite_that_cannot_be_checked_are_named() {
    let file = SqliteFile::new();
    execute(&file, &tracing_ledger::builder().sqlite_schema().expect("a name"));
    let check = || check(&orders(), &file.url());
    assert_eq!(check().health(), Health::Ok);
    execute(
        &file,
        "INSERT INTO observability_events (id, created_at, source, event_type, severity, context) \
        VALUES ('a', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 's', x'ff', 'info', '{}')",
    );
    let said = check().to_string();
    let line = "?     database    cannot read observability_events from SQLite: a value has another type than its column";
    assert!(said.contains(line), "{said}");
}
