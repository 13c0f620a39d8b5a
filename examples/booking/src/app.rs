//! What every request and every job of the service shares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::console::Console;
use crate::db::Db;
use crate::planner::{HOLD, Planner};

/// The service's own state.
pub struct App {
    pub db: Db,
    pub planner: Planner,
    pub settings: Settings,
    pub jobs: Jobs,
    pub console: Console,
}

/// What a deployment decides.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub pace: Pace,
    /// Attempts of a job after its first, as asked for: the job keeps within its own limits.
    pub max_retries: i64,
    /// What a request waits for its tables, before the time scale, as asked for: the inline flow keeps within
    /// its own limits.
    pub inline_timeout: Duration,
}

/// How much faster than in production the waits pass: delays, timeouts and holds, never the cutoff,
/// which is about the time on the guests' watches.
#[derive(Clone, Copy, Debug)]
pub struct Pace(pub u32);

/// The background jobs: how many there were and are.
#[derive(Default)]
pub struct Jobs {
    started: AtomicU64,
    open: watch::Sender<usize>,
}

/// A background task that is not over; counts itself out however it ends.
pub struct Open<'a>(&'a Jobs);

impl App {
    pub fn new(db: Db, settings: Settings, console: Console) -> Self {
        let planner = Planner::new(db.clone(), settings.pace.of(HOLD));
        Self { db, planner, settings, jobs: Jobs::default(), console }
    }
}

impl Settings {
    /// Those of production.
    pub const PRODUCTION: Self =
        Self { pace: Pace(1), max_retries: 3, inline_timeout: Duration::from_secs(12) };
}

impl Pace {
    /// How long a wait of production takes here.
    pub fn of(self, time: Duration) -> Duration {
        time / self.0.max(1)
    }
}

impl Jobs {
    /// A task was scheduled: from now on it is waited for.
    pub fn scheduled(&self) {
        self.open.send_modify(|open| *open += 1);
    }

    /// Takes over a scheduled task, to count it out.
    pub fn open(&self) -> Open<'_> {
        Open(self)
    }

    /// A job entered its work: it owes a summary.
    pub fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Jobs that owe a summary.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Waits until every scheduled task is over.
    pub async fn all_over(&self) {
        // The sender lives as long as `self`, so this cannot end early.
        self.open.subscribe().wait_for(|&open| open == 0).await.ok();
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
