//! A backlog is streamed from disk: its memory does not depend on its length. A process of its own, because it counts
//! what all threads allocate.

use std::path::Path;

use crate::counting::peak_of;
use support::{DEADLINE, SOON, alone, until, until_on_disk};
use tracing::Dispatch;
use tracing_ledger::store::{Attempt, Failure, InsertError, Store};
use tracing_ledger::{Guard, Overflow, Row};
use tracing_subscriber::prelude::*;

const MIB: usize = 1024 * 1024;
/// Both many times what the spool keeps in memory, which is 8 MiB of the newest rows.
const BACKLOGS: [usize; 2] = [32 * MIB, 96 * MIB];
/// The most that it takes: those 8 MiB, the batch in hand, and the rows on their way to the disk.
const AT_MOST: usize = 24 * MIB;
const ROW_BYTES: usize = 4 * 1024;
const BATCH: usize = 500;
/// More than there are pieces of 100 rows in a batch.
const TURNS: usize = 10;

/// A database that is down, or one that takes everything and keeps nothing.
struct FakeDatabase {
    is_away: bool,
}

impl Store for FakeDatabase {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        // As every real one does, and long enough for all of the next batch to be read meanwhile.
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        if self.is_away { Err(InsertError::new(Failure::Retry, "the test says no")) } else { Ok(()) }
    }
}

fn open(dir: &Path, is_away: bool) -> (Dispatch, Guard) {
    let mut opened = None;
    // A shutdown waits for the rows to be on disk, and not for the writer to let go of the directory.
    until("the spool is free", || {
        let builder = tracing_ledger::builder().spool_dir(dir).batch_size(BATCH);
        let builder = builder.queue_capacity(BATCH).overflow(Overflow::Block(DEADLINE));
        opened = builder.build_with(FakeDatabase { is_away }).ok();
        opened.is_some()
    });
    let (layer, guard) = opened.expect("a ledger");
    (tracing_subscriber::registry().with(layer).into(), guard)
}

fn fill(dir: &Path, rows: usize) {
    let (dispatch, guard) = open(dir, true);
    let text = "x".repeat(ROW_BYTES);
    tracing::dispatcher::with_default(&dispatch, || {
        (0..rows).for_each(|_| tracing::info!(name: "auto_assign.started", text));
    });
    until_on_disk(&guard);
    let stats = guard.shutdown(SOON).expect("everything is on disk");
    assert_eq!(stats.spooled, rows as u64, "{stats}");
}

fn drain(dir: &Path, rows: usize) {
    let (_dispatch, guard) = open(dir, false);
    let stats = guard.shutdown(DEADLINE).expect("the database takes everything");
    assert_eq!(stats.written, rows as u64, "{stats}");
}

#[test]
fn a_backlog_takes_no_more_memory_when_it_is_longer() {
    alone("spool::a_backlog_takes_no_more_memory_when_it_is_longer", fill_and_drain_spools);
}

fn fill_and_drain_spools() {
    for backlog in BACKLOGS {
        let (folder, rows) = (tempfile::tempdir().expect("a temporary folder"), backlog / ROW_BYTES);
        let peaks = [peak_of(|| fill(folder.path(), rows)), peak_of(|| drain(folder.path(), rows))];
        assert!(peaks.iter().all(|peak| *peak <= AT_MOST), "{peaks:?} bytes for {backlog}");
    }
}
