//! The doctor is sure of a fault only if every such row would meet it, and each line about it names the one remedy.

use tracing_ledger::Rules;
use tracing_subscriber::prelude::*;

use super::*;

const OF_TABLE: &str = "ALTER TABLE observability_events";

fn with_rules(text: &str) -> Builder {
    tracing_ledger::builder().rules(text.parse::<Rules>().expect("good rules"))
}

/// What becomes of the rows of three calls.
fn written(builder: Builder, url: &str) -> (u64, u64) {
    let (ledger, guard) = builder.build::<Registry>(url).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        (0..3).for_each(|order| tracing::info_span!("create_order", order_id = order).in_scope(|| ()));
    });
    let stats = guard.shutdown(DEADLINE).expect("nothing waits");
    (stats.written, stats.quarantined)
}

fn raising(condition: &str) -> String {
    format!(
        "CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN IF {condition} THEN RAISE EXCEPTION 'no %', NEW.event_type; END IF; RETURN NEW; END$$;
         CREATE TRIGGER judges BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION judge()"
    )
}

#[test]
fn a_constraint_on_the_context_is_a_doubt_where_real_rows_pass() {
    let rules = "[[rule]]\nspan = 'create_order'\nevent_type = 'orders.create'\n";
    for changes in [
        format!("{OF_TABLE} ADD CHECK (event_type = 'ledger.loss' OR context ? 'order_id')"),
        raising("event_type <> 'ledger.loss' AND NOT NEW.context ? 'order_id'")
            .replace("IF event", "IF NEW.event"),
        format!(
            "CREATE DOMAIN fields AS jsonb CHECK (VALUE ? 'order_id' OR VALUE ? 'cause'); {OF_TABLE} ALTER context TYPE fields"
        ),
    ] {
        let url = Cluster::shared().database_after(&changes);
        let words =
            ["rows of \"orders.create\"", "without the fields of their calls", "see whether the real rows"];
        only_fault(&with_rules(rules), &url, Health::Warning, &words);
        assert_eq!(written(with_rules(rules), &url), (3, 0), "{changes}");
    }
}

#[test]
fn the_rows_that_are_tried_have_the_constants_of_their_rule() {
    let url = Cluster::shared()
        .database_after(&format!("{OF_TABLE} ADD CHECK (event_type = 'ledger.loss' OR context ? 'tenant')"));
    let rules = "[[rule]]\nspan = 'create_order'\nset = { tenant = 'a' }\n";
    assert_eq!(faults(&with_rules(rules), &url), []);
    assert_eq!(written(with_rules(rules), &url), (3, 0));
    let both = format!("{rules}[[rule]]\nspan = 'create_order'\ntarget = 'elsewhere'\n")
        .replace("'\nset", "'\ntarget = 'store'\nset");
    only_fault(&with_rules(&both), &url, Health::Warning, &["rows of \"create_order\""]);
}

#[test]
fn the_line_about_rules_counts_the_built_in_ones() {
    let url = Cluster::shared().database();
    let rules = |text: &str| {
        let checkup = check(&with_rules(text), &url);
        checkup.findings.into_iter().find(|finding| finding.topic == "rules").expect("a line").text
    };
    let own = "[[rule]]\nspan = 'create_order'\n";
    assert_eq!(rules(own), "1, and 0 built in");
    let built_in = rules("builtin = true\n");
    assert!(built_in.starts_with("0, and ") && !built_in.contains("and 0"), "{built_in}");
    assert_eq!(rules(&format!("builtin = true\n{own}")), built_in.replacen('0', "1", 1));
}

#[test]
fn a_column_that_the_server_makes_has_the_one_statement_that_ends_it() {
    let builder = with_rules("[all]\ncolumns = { order_id = 'order_id' }\n[[rule]]\nspan = 'create_order'\n");
    for (made, statement) in [
        ("bigint GENERATED ALWAYS AS IDENTITY", "ALTER COLUMN \"order_id\" DROP IDENTITY"),
        ("text GENERATED ALWAYS AS (source) STORED", "ALTER COLUMN \"order_id\" DROP EXPRESSION"),
    ] {
        let url = Cluster::shared().database_after(&format!("{OF_TABLE} ADD order_id {made}"));
        let fault = only_fault(&builder, &url, Health::Wrong, &[statement]);
        assert_eq!(fault.text.matches("DROP").count(), 1, "{fault}");
        Cluster::shared().psql(&url, &format!("{OF_TABLE} {statement}, ALTER COLUMN order_id DROP NOT NULL"));
        assert_eq!(faults(&builder, &url), []);
    }
}

#[test]
fn an_unlogged_table_or_partition_is_named() {
    let builder = tracing_ledger::builder();
    for (changes, name) in [
        (format!("{OF_TABLE} SET UNLOGGED"), "observability_events"),
        (
            format!(
                "{OF_TABLE} RENAME TO plain; CREATE TABLE observability_events (LIKE plain, PRIMARY KEY (id, created_at))
                 PARTITION BY RANGE (created_at); CREATE INDEX ON observability_events (created_at);
                 CREATE INDEX ON observability_events (event_type, created_at);
                 CREATE UNLOGGED TABLE part PARTITION OF observability_events DEFAULT"
            ),
            "part",
        ),
    ] {
        let url = Cluster::shared().database_after(&changes);
        let remedy = format!("ALTER TABLE {name} SET LOGGED");
        let fault = only_fault(&builder, &url, Health::Warning, &["empties it after a crash", &remedy]);
        assert_eq!(fault.topic, "table", "{fault}");
        Cluster::shared().psql(&url, &remedy);
        assert_eq!(faults(&builder, &url), []);
    }
}

#[test]
fn findings_from_before_the_timeout_are_printed() {
    let url = Cluster::shared().database_after(
        "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(600); RETURN NEW; END$$;
         CREATE TRIGGER sleeps BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION sleep()",
    );
    let checkup =
        tracing_ledger::builder().check(&url, Duration::from_secs(8)).expect("the options are right");
    for topic in ["connection", "tls", "clock"] {
        assert!(checkup.findings.iter().any(|finding| finding.topic == topic), "{topic}: {checkup}");
    }
    let last = checkup.findings.last().expect("there are some");
    assert_eq!((last.topic, last.health), ("database", Health::Unknown), "{checkup}");
    assert!(
        last.text.contains("no answer within 8s after the lines above") && last.text.contains("trigger"),
        "{checkup}"
    );
}

#[test]
fn two_short_columns_share_one_statement() {
    let url = Cluster::shared().database_after(&format!(
        "{OF_TABLE} ALTER source TYPE varchar(5), ALTER event_type TYPE varchar(5)"
    ));
    let builder =
        with_rules("[[rule]]\nspan = 'create_order'\nevent_type = 'orders.create'\nsource = 'orders'\n");
    let remedy = "ALTER TABLE observability_events ALTER COLUMN \"source\" TYPE text, ALTER COLUMN \"event_type\" TYPE text";
    let words = [
        "the columns \"source\" and \"event_type\" are too short; let the owner run",
        remedy,
        "or change the event_type and the source in their rules",
    ];
    let fault = only_fault(&builder, &url, Health::Wrong, &words);
    assert!(!fault.text.contains('…'), "{fault}");
    // The user can change no rule of the crate.
    let fault = only_fault(&tracing_ledger::builder(), &url, Health::Wrong, &[]);
    assert!(!fault.text.contains("their rules"), "{fault}");
    Cluster::shared().psql(&url, remedy);
    assert_eq!(faults(&builder, &url), []);
}

#[test]
fn a_trigger_that_refuses_every_row_in_other_words_has_one_line() {
    let url = Cluster::shared().database_after(&raising("true"));
    let rules = "[[rule]]\nspan = 'create_order'\n[[rule]]\nspan = 'pay_order'\n";
    let words =
        ["all rows are rejected", "the trigger function judge() rejects the row", "DISABLE TRIGGER judges"];
    only_fault(&with_rules(rules), &url, Health::Wrong, &words);
    Cluster::shared().psql(
        &url,
        &raising("NEW.event_type <> 'ledger.loss'").replace(
            "CREATE FUNCTION",
            "DROP TRIGGER judges ON observability_events; CREATE OR REPLACE FUNCTION",
        ),
    );
    only_fault(
        &with_rules(rules),
        &url,
        Health::Wrong,
        &["rows of \"create_order\", \"pay_order\" are rejected"],
    );
}

#[test]
fn rows_from_the_future_are_not_those_of_the_last_hour() {
    let url = Cluster::shared().database_after(
        "INSERT INTO observability_events (source, event_type, created_at) VALUES ('s', 'orders.create', now() - interval '1 minute'),
         ('s', 'orders.create', '2999-01-01T00:00:00Z'), ('s', 'orders.pay', '2999-01-01T00:00:00Z')",
    );
    let checkup = check(&tracing_ledger::builder(), &url);
    let rows: Vec<_> = checkup.findings.iter().filter(|finding| finding.topic == "rows").collect();
    let said = |at: usize, health, words: &str| {
        assert_eq!(rows[at].health, health, "{checkup}");
        assert!(rows[at].text.contains(words), "{words}: {checkup}");
    };
    assert_eq!(rows.len(), 4, "{checkup}");
    said(0, Health::Ok, "1 in the last 24 hours");
    said(1, Health::Ok, "\"orders.create\": 1 in the last hour, 1 in the last 24");
    said(2, Health::Warning, "\"orders.create\": rows from the future: 1, the last at 2999-01-01T00:00:00Z");
    said(3, Health::Warning, "\"orders.pay\": rows from the future: 1");
    assert!(!rows[1].text.contains("2999"), "{checkup}");
}

#[test]
fn no_row_is_sent_where_the_table_is_missing() {
    let url = Cluster::shared().empty_database();
    let checkup = tracing_ledger::builder().check_by_writing(&url, DEADLINE).expect("the options are right");
    let last = checkup.findings.last().expect("there are some");
    assert_eq!((last.topic, last.health), ("write", Health::Unknown), "{checkup}");
    assert!(last.text.starts_with("not tried"), "{checkup}");
    assert_eq!(checkup.health(), Health::Wrong, "{checkup}");
}

fn sqlite(statements: &str) -> SqliteFile {
    let file = SqliteFile::new();
    execute(&file, statements);
    file
}

/// A table of SQLite with these two columns among the others.
fn table(id: &str, context: &str) -> String {
    format!(
        "CREATE TABLE observability_events (id {id}, created_at TEXT, source TEXT, event_type TEXT, severity TEXT, context {context},
         restaurant_id TEXT, booking_id TEXT); CREATE INDEX i ON observability_events (event_type, created_at);"
    )
}

#[test]
fn each_doubt_about_a_table_of_sqlite_has_its_own_words() {
    let builder =
        with_rules("[[rule]]\nspan = 'create_order'\nevent_type = 'orders.create'\nsource = 'orders'\n");
    let file = sqlite(&table("INTEGER PRIMARY KEY", "TEXT"));
    let words = [
        "datatype mismatch",
        "an id that is INTEGER PRIMARY KEY",
        "tracing-ledger schema --sqlite --table observability_events",
    ];
    only_fault(&builder, &file.url(), Health::Wrong, &words);
    let file = sqlite(&table(
        "TEXT PRIMARY KEY",
        "TEXT CHECK (event_type = 'ledger.loss' OR json_type(context, '$.order_id') IS NOT NULL)",
    ));
    let fault = only_fault(
        &builder,
        &file.url(),
        Health::Warning,
        &["rows of \"orders.create\"", "without the fields of their calls"],
    );
    assert!(!fault.text.contains("names such as these"), "{fault}");
    let guess = with_rules("[[rule]]\nspan = '*'\nsource = 'orders'\n");
    let file = sqlite(&table("TEXT PRIMARY KEY", "TEXT CHECK (event_type = 'ledger.loss')"));
    let fault = only_fault(
        &guess,
        &file.url(),
        Health::Warning,
        &["if they have names such as these, which are made up"],
    );
    assert!(!fault.text.contains("columns\""), "{fault}");
    let future = "INSERT INTO observability_events (id, event_type, created_at, context) VALUES ('a', 'orders.create', '2999-01-01T00:00:00.000000Z', '{}')";
    let file = sqlite(&(table("TEXT PRIMARY KEY", "TEXT") + future));
    let checkup = check(&builder, &file.url());
    only_fault(&builder, &file.url(), Health::Warning, &["\"orders.create\": rows from the future: 1"]);
    assert!(checkup.findings.iter().any(|finding| finding.text == "none in the last 24 hours"), "{checkup}");
}
