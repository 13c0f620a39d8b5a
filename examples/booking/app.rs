//! What every request and every job of the service shares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::db::Db;
use crate::planner::{HOLD, Planner};

/// The service's own state.
pub(crate) struct App {
    pub(crate) db: Db,
    pub(crate) planner: Planner,
    pub(crate) pace: Pace,
    pub(crate) jobs: Jobs,
}

/// How much faster than in production the waits pass: delays, timeouts and holds, never the cutoff,
/// which is about the time on the guests' watches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(pub(crate) u32);

/// The background jobs: how many there were and are.
#[derive(Default)]
pub(crate) struct Jobs {
    started: AtomicU64,
    open: watch::Sender<usize>,
}

/// A background task that is not over; counts itself out however it ends.
pub(crate) struct Open<'a>(&'a Jobs);

impl App {
    pub(crate) fn new(db: Db, pace: Pace) -> Self {
        let planner = Planner::new(db.clone(), pace.of(HOLD));
        Self { db, planner, pace, jobs: Jobs::default() }
    }
}

impl Pace {
    /// How long a wait of production takes here.
    pub(crate) fn of(self, time: Duration) -> Duration {
        time / self.0.max(1)
    }
}

impl Jobs {
    /// A task was scheduled: from now on it is waited for.
    pub(crate) fn scheduled(&self) {
        self.open.send_modify(|open| *open += 1);
    }

    /// Takes over a scheduled task, to count it out.
    pub(crate) fn open(&self) -> Open<'_> {
        Open(self)
    }

    /// A job entered its work: it owes a summary.
    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Jobs that owe a summary.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Waits until every scheduled task is over.
    pub(crate) async fn all_over(&self) {
        // The sender lives as long as `self`, so this cannot end early.
        self.open.subscribe().wait_for(|&open| open == 0).await.ok();
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
