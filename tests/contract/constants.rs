//! Constants of all rows.

use std::path::Path;

use serde_json::json;
use support::{DEADLINE, Ledger, SOON, until_on_disk};
use tracing::{info, info_span};
use tracing_ledger::store::{Attempt, Failure, InsertError, Memory, Store};
use tracing_ledger::{Guard, Row, Rules, builder};
use tracing_subscriber::prelude::*;

const RULES: &str = r#"
    [all]
    set = { service = "orders", region = "${LEDGER_TEST_UNSET:-eu}", tenant = "all" }
    [[rule]]
    span = "request"
    set = { tenant = "some" }
    [[rule]]
    event = "cache.miss"
"#;

fn rules() -> Rules {
    RULES.parse().expect("sound rules")
}

#[test]
fn every_row_has_the_constants_and_a_field_or_a_rule_wins() {
    let ledger = Ledger::memory_with(builder().rules(rules()).set("service", "billing").set("version", 3));
    ledger.run(|| {
        info_span!("request").in_scope(|| info!(name: "cache.miss", region = "us", "not there"));
        info_span!("request", version = 4).in_scope(|| ());
    });
    let of = |event_type| {
        let keys = ["service", "region", "tenant", "version"];
        let rows = ledger.rows_of(event_type);
        rows.iter().map(|row| keys.map(|key| row.get(key).clone())).collect::<Vec<_>>()
    };
    assert_eq!(of("cache.miss"), [[json!("billing"), json!("us"), json!("all"), json!(3)]]);
    assert_eq!(
        of("request"),
        [3, 4].map(|version| [json!("billing"), json!("eu"), json!("some"), json!(version)])
    );
}

/// A database that takes nothing.
struct Fails;

impl Store for Fails {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        Err(InsertError::new(Failure::Retry, "the test says no"))
    }
}

fn record(store: impl Store, spool: &Path, version: u32) -> Guard {
    let builder = builder().rules(rules()).set("version", version).spool_dir(spool);
    let (layer, guard) = builder.build_with(store).expect("sound options");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info_span!("request").in_scope(|| ());
    });
    guard
}

#[test]
fn a_row_from_the_spool_keeps_the_constants_of_its_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spool = folder.path().join("spool");
    let guard = record(Fails, &spool, 1);
    until_on_disk(&guard);
    guard.shutdown(SOON).expect("the row is on disk");
    let memory = Memory::default();
    record(memory.clone(), &spool, 2).shutdown(DEADLINE).expect("the store takes both");
    let versions: Vec<_> = memory.rows().iter().map(|row| row.context.contains("\"version\":1")).collect();
    assert_eq!(versions, [true, false]);
}
