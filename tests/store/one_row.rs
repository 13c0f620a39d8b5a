//! One row's fault is one row's fault, whatever the server calls it.

use std::time::Duration;

use support::{Cluster, DEADLINE, SOON, until};
use tracing::{Dispatch, info_span};
use tracing_ledger::{Builder, Guard};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

/// A ledger on that database, as a role that may only insert.
pub(crate) struct Service {
    pub(crate) owner: String,
    pub(crate) guard: Guard,
    dispatch: Dispatch,
}

impl Service {
    pub(crate) fn new(changes: &str, builder: Builder) -> Self {
        let owner = Cluster::shared().database();
        let role = format!("serves_{}", owner.rsplit('/').next().expect("a URL names its database"));
        Cluster::shared().psql(
            &owner,
            &format!("{changes}; CREATE ROLE {role} LOGIN; GRANT INSERT ON observability_events TO {role}"),
        );
        Self::on(owner, builder)
    }

    /// A ledger on the database of another one.
    pub(crate) fn on(owner: String, builder: Builder) -> Self {
        let role = format!("serves_{}", owner.rsplit('/').next().expect("a URL names its database"));
        let url = owner.replace("postgres@", &format!("{role}@"));
        let (layer, guard) = builder.build::<Registry>(&url).expect("a ledger");
        Self { owner, guard, dispatch: tracing_subscriber::registry().with(layer).into() }
    }

    pub(crate) fn call(&self, n: u64, booking_id: Option<&str>, restaurant_id: Option<&str>) {
        tracing::dispatcher::with_default(&self.dispatch, || {
            info_span!("auto_assign.quote", n, booking_id, restaurant_id, success = true).in_scope(|| ());
        });
    }

    pub(crate) fn calls(&self, numbers: std::ops::Range<u64>) {
        numbers.for_each(|n| self.call(n, None, None));
    }

    /// Rows of another event type.
    pub(crate) fn jobs(&self, number: u64) {
        tracing::dispatcher::with_default(&self.dispatch, || {
            (0..number).for_each(|n| info_span!("auto_assign.job", n).in_scope(|| ()));
        });
    }

    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.owner, sql)
    }

    /// Waits until the message of a failed flush has all these words, and returns it.
    #[track_caller]
    pub(crate) fn until_flush_says(&self, words: &[&str]) -> String {
        let mut message = String::new();
        until(&format!("a flush says {words:?}"), || {
            message = self.guard.flush(SOON).expect_err("rows wait").to_string();
            words.iter().all(|words| message.contains(words))
        });
        message
    }

    #[track_caller]
    pub(crate) fn assert_written(&self, written: u64, quarantined: u64) {
        let stats = self.guard.flush(DEADLINE).expect("nothing is held");
        assert_eq!((stats.written, stats.quarantined, stats.in_flight), (written, quarantined, 0), "{stats}");
        assert_eq!(
            self.psql("SELECT count(*) FROM observability_events WHERE event_type <> 'ledger.loss'"),
            written.to_string()
        );
    }
}

/// A trigger that does something to every row for which a condition holds.
fn trigger(condition: &str, does: &str) -> String {
    format!(
        "CREATE FUNCTION own_logic() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
             IF {condition} THEN {does}; END IF; RETURN NEW; END$$;
         CREATE TRIGGER own_logic BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION own_logic()"
    )
}

fn batches() -> Builder {
    tracing_ledger::builder().flush_interval(Duration::from_secs(3600))
}

#[test]
fn a_trigger_that_raises_for_one_row_costs_one_row() {
    let raises = |state: &str| format!("RAISE EXCEPTION 'not this one' USING ERRCODE = '{state}'");
    let mut faults: Vec<String> = [
        "P0001", "23514", "0A000", "55000", "XX000", "ZZ123", "42501", "23505", "3F000", "26000", "28000",
        "3D000", // From the server itself, these concern all rows or pass by themselves.
        "08006", "25006", "40001", "40P01", "53400", "55P03", "57014", "57P01", "57P03", "58030",
    ]
    .map(raises)
    .to_vec();
    faults.push("EXECUTE 'SELECT * FROM missing'".to_owned());
    faults.push("EXECUTE 'SELECT missing FROM pg_class'".to_owned());
    faults.push("PERFORM missing(1)".to_owned());
    for (number, fault) in faults.iter().enumerate() {
        // Few go by INSERT, many by COPY.
        let places: &[_] = if number == 0 { &[(200, 0), (200, 117), (200, 199)] } else { &[(200, 117)] };
        for &(rows, bad) in places.iter().chain(&[(1200, 617)]) {
            let changes = trigger(&format!("NEW.context ->> 'n' = '{bad}'"), fault);
            let service = Service::new(&changes, batches());
            service.calls(0..rows);
            service.assert_written(rows - 1, 1);
            let kept = service.guard.quarantined();
            assert!(kept[0].row.context.contains(&format!(r#""n":{bad}"#)), "{fault}: {kept:?}");
        }
    }
}

#[test]
fn a_policy_that_rejects_one_row_costs_one_row_and_is_quoted() {
    let service = Service::new(
        "ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY;
         CREATE POLICY most_rows ON observability_events FOR INSERT WITH CHECK (context ->> 'n' <> '700')",
        batches(),
    );
    service.calls(0..1200);
    service.assert_written(1199, 1);
    let reason = &service.guard.quarantined()[0].reason;
    assert!(reason.contains("violates row-level security policy"), "{reason}");
}

#[test]
fn a_trigger_that_raises_for_all_rows_holds_them_until_it_is_gone() {
    for fault in
        ["RAISE EXCEPTION 'closed'", "RAISE EXCEPTION 'closed' USING ERRCODE = '23514'", "PERFORM missing(1)"]
    {
        let words = if fault.contains("closed") { "closed" } else { "missing" };
        for rows in [1, 2, 15, 200] {
            let service = Service::new(&trigger("true", fault), batches());
            service.calls(0..rows);
            service.until_flush_says(&[words]);
            assert_eq!(service.guard.stats().quarantined, 0, "{fault}");
            service.psql("DROP TRIGGER own_logic ON observability_events");
            service.assert_written(rows, 0);
        }
    }
}

#[test]
fn a_row_that_came_alone_is_quarantined_once_the_next_one_passes() {
    let service = Service::new(&trigger("NEW.context ->> 'n' = '0'", "RAISE EXCEPTION 'no'"), batches());
    service.calls(0..1);
    service.until_flush_says(&["Postgres: no"]);
    assert_eq!(service.guard.stats().quarantined, 0, "one row shows nothing");
    service.calls(1..2);
    service.assert_written(1, 1);
}

#[test]
fn a_broken_check_is_the_fault_of_its_row_and_a_missing_partition_of_none() {
    let partitions = "DROP TABLE observability_events;
        CREATE TABLE observability_events (
            id uuid NOT NULL, created_at timestamptz NOT NULL, source text NOT NULL, event_type text NOT NULL,
            severity text NOT NULL, context jsonb CHECK (context ->> 'n' <> '7'), restaurant_id uuid, booking_id uuid,
            PRIMARY KEY (id, created_at)
        ) PARTITION BY RANGE (created_at)";
    for rows in [1, 30, 800] {
        let service = Service::new(partitions, batches());
        service.calls(100..100 + rows);
        service.until_flush_says(&["create the partition"]);
        assert_eq!(service.guard.stats().quarantined, 0);
        service.psql("CREATE TABLE later PARTITION OF observability_events DEFAULT");
        service.assert_written(rows, 0);
        service.calls(0..30);
        service.assert_written(rows + 29, 1);
    }
}

#[test]
fn each_answer_of_the_server_has_its_own_words_and_a_remedy() {
    let raise =
        |state: &str| trigger("true", &format!("RAISE EXCEPTION 'own words' USING ERRCODE = '{state}'"));
    for (changes, words) in [
        (raise("55000"), ["own words", "correct the trigger or function"]),
        (raise("XX000"), ["own words", "correct the trigger or function"]),
        (raise("42501"), ["own words", "correct the trigger or function"]),
        (raise("08006"), ["own words", "correct the trigger or function"]),
        (raise("25006"), ["own words", "correct the trigger or function"]),
        (raise("53400"), ["own words", "correct the trigger or function"]),
        (raise("57P03"), ["own words", "correct the trigger or function"]),
        (trigger("true", "PERFORM missing(1)"), ["missing", "correct the trigger or function"]),
        (
            "ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY".to_owned(),
            ["violates row-level security policy", "policy FOR INSERT"],
        ),
        (
            "ALTER DATABASE DATABASE_NAME SET default_transaction_read_only = on".to_owned(),
            ["read-only transaction", "default_transaction_read_only"],
        ),
    ] {
        let service = Service::new("", batches());
        let database = service.owner.rsplit('/').next().expect("a URL names its database");
        service.psql(&changes.replace("DATABASE_NAME", database));
        service.calls(0..30);
        let error = service.until_flush_says(&words);
        assert!(!error.contains("change of the table"), "{error}");
        assert_eq!(service.guard.stats().quarantined, 0, "{changes}");
    }
}
