//! The demo's run tells every story that it promises, and its check finds missing rows.

use std::process::ExitCode;

use tracing_subscriber::prelude::*;

use crate::house::{House, pace, runtime};
use booking::check::Check;
use booking::db::Db;
use booking::driver;
use booking::parties;
use support::DEADLINE;
use support::alone;

/// Takes rows out of the check's sight.
macro_rules! hide {
    ($rows:literal) => {
        concat!("UPDATE observability_events SET event_type = '-' || event_type WHERE ", $rows)
    };
}

/// Brings them back.
const SHOW: &str =
    "UPDATE observability_events SET event_type = substr(event_type, 2) WHERE event_type LIKE '-%'";

/// The rows that are hidden, each with the words of the check.
const LOSSES: [(&str, &str); 7] = [
    (
        hide!(
            "id = (SELECT MAX(id) FROM observability_events WHERE event_type = 'auto_assign.quote' \
             AND context ->> 'outcome' = 'ok')"
        ),
        "planner calls have",
    ),
    (
        hide!("id = (SELECT MIN(id) FROM observability_events WHERE event_type = 'auto_assign.summary')"),
        "jobs have",
    ),
    (hide!("context ->> 'trigger' = 'modification'"), "no booking was: modified"),
    (
        hide!("event_type = 'auto_assign.exited_already_confirmed'"),
        "no booking was: confirmed by staff mid-job",
    ),
    (hide!("event_type = 'inline_auto_assign.timeout'"), "no booking was: timed out"),
    (hide!("context ->> 'outcome' = 'panic'"), "no booking was: planner panic"),
    (hide!("event_type = 'inline_auto_assign.operation_aborted'"), "no booking was: cancelled request"),
];

/// A whole run, its rows in the database of the house.
fn run(calm: bool, then: impl AsyncFnOnce(&House, &Db)) {
    let runtime = runtime();
    let house = runtime.block_on(House::open(pace(20)));
    let (ledger, guard) =
        tracing_ledger::builder().create_table(true).build(&house.file.url()).expect("a ledger");
    tracing_subscriber::registry().with(ledger).init();
    runtime.block_on(async {
        let services = parties::services(calm).expect("the parties can be read");
        driver::run(&house.app, house.address, services).await.expect("every request is answered");
        house.app.db.close().await;
    });
    guard.shutdown(DEADLINE).expect("everything is written");
    runtime.block_on(async {
        let db = Db::open(&house.file.url()).await.expect("the same database");
        then(&house, &db).await;
    });
}

#[test]
fn every_story_is_told_and_every_loss_is_found() {
    alone("run::every_story_is_told_and_every_loss_is_found", || {
        run(false, async |house, db| {
            let check = async |calm| Check::of(&house.app, db, calm).await.expect("the rows can be read");
            let whole = check(false).await;
            assert_eq!(whole.exit_code(), ExitCode::SUCCESS, "{}", whole.text());
            for (hide, complaint) in LOSSES {
                assert_ne!(db.execute(hide, []).await.expect("rows are hidden"), 0, "{complaint}");
                let check = check(false).await;
                assert_eq!(check.exit_code(), ExitCode::FAILURE, "{complaint}");
                assert!(check.text().contains(complaint), "{}", check.text());
                db.execute(SHOW, []).await.expect("rows come back");
            }
            let not_calm = check(true).await;
            assert_eq!(not_calm.exit_code(), ExitCode::FAILURE);
            assert!(not_calm.text().contains("a calm run has a booking that was: planner panic"));
            let twice = "INSERT INTO demo_holds SELECT '-' || hold_id, table_id, booking_id, attempt_id, starts_at, \
                         ends_at, expires_at FROM demo_holds WHERE expires_at IS NULL LIMIT 1";
            db.execute(twice, []).await.expect("a table is given twice");
            assert!(check(false).await.text().contains("FAILED: a table was given to two parties"));
        });
    });
}

#[test]
fn a_calm_run_is_without_panic_and_hang_up() {
    alone("run::a_calm_run_is_without_panic_and_hang_up", || {
        run(true, async |house, db| {
            let check = Check::of(&house.app, db, true).await.expect("the rows can be read");
            assert_eq!(check.exit_code(), ExitCode::SUCCESS, "{}", check.text());
            assert!(check.text().contains("0 planner panic, 0 cancelled request"), "{}", check.text());
        });
    });
}
