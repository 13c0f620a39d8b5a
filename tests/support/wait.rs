//! Waits for states that no event announces. How long that takes depends on the machine, so nothing else is expected of it.

use std::thread;
use std::time::{Duration, Instant};

use tracing_ledger::Guard;

use crate::DEADLINE;

/// For a wait that is meant to be in vain, once everything else has happened.
pub const SOON: Duration = Duration::from_millis(20);

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        thread::yield_now();
    }
}

/// Waits until every row is on disk or further.
#[track_caller]
pub fn until_on_disk(guard: &Guard) {
    until("all rows are on disk", || guard.stats().in_flight == 0);
}

/// Waits until the ledger has failed to write to its database.
#[track_caller]
pub fn until_failing(guard: &Guard) {
    until("the database fails", || {
        guard.flush(SOON).expect_err("the database fails").to_string().contains("the last failure: ")
    });
}
