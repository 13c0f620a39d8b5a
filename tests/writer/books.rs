//! A ledger over a store that does what the test says.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender, unbounded};
pub(crate) use support::{DEADLINE, SOON, until};
use tempfile::TempDir;
use tracing::Dispatch;
use tracing_ledger::store::{Attempt, Failure, InsertError, Memory, Store};
use tracing_ledger::{Builder, Guard, Row, Stats};
use tracing_subscriber::prelude::*;

/// A ledger that writes a batch when it is full or somebody asks, and not by the clock.
pub(crate) fn untimed() -> Builder {
    tracing_ledger::builder().flush_interval(DEADLINE)
}

pub(crate) fn open(builder: Builder, store: impl Store) -> (Dispatch, Guard) {
    let (layer, guard) = builder.build_with(store).expect("the options are right");
    (tracing_subscriber::registry().with(layer).into(), guard)
}

/// Puts one row for each number on the ledger.
pub(crate) fn emit(dispatch: &Dispatch, numbers: impl IntoIterator<Item = u64>) {
    tracing::dispatcher::with_default(dispatch, || {
        for number in numbers {
            tracing::info!(name: "auto_assign.started", number);
        }
    });
}

pub(crate) fn context(row: &Row) -> serde_json::Value {
    serde_json::from_str(&row.context).expect("the context is JSON")
}

/// Whether it is the ledger's own, on losses.
pub(crate) fn is_loss(row: &Row) -> bool {
    &*row.event_type == "ledger.loss"
}

/// The numbers that [`emit`] gave these rows. The ledger's own have none.
pub(crate) fn numbers<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<u64> {
    let rows = rows.into_iter().filter(|row| !is_loss(row));
    rows.map(|row| context(row)["number"].as_u64().expect("every row has its number")).collect()
}

pub(crate) fn failed(failure: Failure) -> Result<(), InsertError> {
    Err(InsertError::new(failure, "the test says no"))
}

/// Every record is in exactly one place.
#[track_caller]
pub(crate) fn assert_sums(stats: &Stats) {
    let Stats { accepted, in_flight, spooled, written, quarantined, .. } = *stats;
    assert_eq!(stats.offered, accepted + stats.refused.total(), "{stats}");
    assert_eq!(accepted, in_flight + spooled + written + quarantined + stats.dropped.total(), "{stats}");
}

/// A store that is a function of the batch.
pub(crate) struct Answers<F>(pub(crate) F);

impl<F> Store for Answers<F>
where
    F: FnMut(&[Row], Attempt) -> Result<(), InsertError> + Send + 'static,
{
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        (self.0)(batch, attempt)
    }
}

/// A store that tells the test of every insert, and goes on with it when the test says so.
pub(crate) struct Gate {
    memory: Memory,
    inserts: Sender<usize>,
    go: tokio::sync::mpsc::UnboundedReceiver<()>,
}

/// The test's side of a [`Gate`].
pub(crate) struct Keeper {
    pub(crate) memory: Memory,
    inserts: Receiver<usize>,
    go: tokio::sync::mpsc::UnboundedSender<()>,
}

pub(crate) fn gate() -> (Gate, Keeper) {
    let memory = Memory::default();
    let (inserts, arrived) = unbounded();
    let (say, go) = tokio::sync::mpsc::unbounded_channel();
    (Gate { memory: memory.clone(), inserts, go }, Keeper { memory, inserts: arrived, go: say })
}

impl Store for Gate {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        self.inserts.send(batch.len()).ok();
        // A keeper that is gone has left the gate open.
        self.go.recv().await;
        self.memory.insert(batch, attempt).await
    }
}

impl Keeper {
    /// Waits until an insert stands before the gate; its number of rows.
    pub(crate) fn wait(&self) -> usize {
        self.inserts.recv_timeout(DEADLINE).expect("the writer comes")
    }

    /// Waits until the writer is gone, and the store with it.
    pub(crate) fn wait_for_end(&self) {
        while self.inserts.recv_timeout(DEADLINE).is_ok() {}
        assert!(self.go.is_closed(), "the writer ends");
    }

    /// Lets one insert pass, now or the next that comes.
    pub(crate) fn let_one_in(&self) {
        self.go.send(()).ok();
    }

    /// Leaves the gate open for good.
    pub(crate) fn leave(self) -> Memory {
        self.memory
    }
}

/// Has a spool directory deleted and made anew, as by another process, which has it as long as it keeps the lock.
pub(crate) fn give_away(dir: &Path) -> File {
    fs::remove_dir_all(dir).expect("it is there");
    fs::create_dir(dir).expect("it can be made");
    let lock = File::create(dir.join("lock")).expect("it can be made");
    lock.lock().expect("it is new");
    lock
}

/// The least that a spool may have.
pub(crate) const SMALL_LIMIT: u64 = 64 * 1024;

/// A spool directory that is not there yet, in a folder that goes when this is dropped.
pub(crate) struct SpoolDir(TempDir);

impl SpoolDir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("spool")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The segments in it.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).expect("it is there");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "segment1")).collect()
    }

    /// Bytes of the segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments().iter().map(|path| path.metadata().expect("a file").len()).sum()
    }

    /// A ledger on it that soon has no more room, neither on disk nor in the queue.
    pub(crate) fn small(&self) -> Builder {
        self.builder().batch_size(1).queue_capacity(100).spool_limit(SMALL_LIMIT)
    }

    /// Emits until a [`small`](Self::small) one is full, on disk and in the queue.
    pub(crate) fn fill(&self, dispatch: &Dispatch, guard: &Guard) {
        let mut number = 0;
        until("the spool is full, and the queue behind it", || {
            emit(dispatch, number..number + 10);
            number += 10;
            guard.stats().in_flight >= 100 && self.bytes() + 1024 > SMALL_LIMIT
        });
    }

    /// A ledger on it that writes a batch when it is full or somebody asks. The writer of the one before may be there
    /// for a moment longer than its guard: it is waited for.
    pub(crate) fn builder(&self) -> Builder {
        if let Ok(lock) = File::open(self.file("lock")) {
            lock.lock().expect("the writer before lets go of it");
        }
        untimed().spool_dir(self.path())
    }

    /// Leaves rows with these numbers in it, as a process does whose database was away all the time.
    pub(crate) fn leave(&self, numbers: impl IntoIterator<Item = u64>) -> Stats {
        let (dispatch, guard) = open(self.builder(), away());
        emit(&dispatch, numbers);
        support::until_on_disk(&guard);
        guard.shutdown(SOON).expect("everything is on disk")
    }

    /// The account and the rows of the next process, which reaches its database.
    pub(crate) fn next_process(&self) -> (Stats, Vec<Row>) {
        let memory = Memory::default();
        let (_dispatch, guard) = open(self.builder(), memory.clone());
        let stats = guard.shutdown(DEADLINE).expect("memory is there");
        (stats, memory.rows())
    }

    /// Puts a file where the directory was, as a disk that fails.
    pub(crate) fn obstruct(&self) {
        fs::remove_dir_all(self.path()).expect("it can be removed");
        fs::write(self.path(), "in the way").expect("it can be written");
    }
}

/// A database that is down.
pub(crate) fn away() -> impl Store {
    Answers(|_: &[Row], _| failed(Failure::Retry))
}
