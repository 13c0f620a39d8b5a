//! The state that all requests and jobs of the service share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::console::Console;
use crate::db::Db;
use crate::planner::Planner;

/// The state of the service.
pub struct App {
    pub db: Db,
    pub planner: Planner,
    pub settings: Settings,
    pub jobs: Jobs,
    pub console: Console,
}

/// The settings of a deployment.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub pace: Pace,
    /// Attempts of a job after its first, before the job applies its limits.
    pub max_retries: i64,
    /// The timeout of a request for its tables, before the time scale and before the inline flow applies its
    /// limits.
    pub inline_timeout: Duration,
    /// The planner takes this many percent longer.
    pub slower: u32,
    /// About how long the planner waits for the tables: at least half of it, at most twice.
    pub latency: Duration,
}

/// By how much waits are shorter than in production: delays, timeouts and holds, but not the cutoff, which depends on
/// the time of the guests.
#[derive(Clone, Copy, Debug)]
pub struct Pace(pub u32);

/// Counts the background jobs.
#[derive(Default)]
pub struct Jobs {
    started: AtomicU64,
    open: watch::Sender<usize>,
}

/// A running background task. Its drop takes it off the count.
pub struct Open<'a>(&'a Jobs);

impl App {
    pub fn new(db: Db, settings: Settings, console: Console) -> Self {
        let planner = Planner::new(db.clone(), settings);
        Self { db, planner, settings, jobs: Jobs::default(), console }
    }
}

impl Settings {
    /// The settings of production.
    pub const PRODUCTION: Self = Self {
        pace: Pace(1),
        max_retries: 3,
        inline_timeout: Duration::from_secs(12),
        slower: 0,
        latency: Duration::ZERO,
    };
}

impl Pace {
    /// Scales a wait of production.
    pub fn of(self, time: Duration) -> Duration {
        time / self.0.max(1)
    }
}

impl Jobs {
    /// Counts a scheduled task, so that the shutdown waits for it.
    pub fn scheduled(&self) {
        self.open.send_modify(|open| *open += 1);
    }

    /// Takes over a scheduled task; dropping the result takes it off the count.
    pub fn open(&self) -> Open<'_> {
        Open(self)
    }

    /// Counts a job that has begun its work, and so owes a summary.
    pub fn start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Jobs that owe a summary.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Waits until every scheduled task has ended.
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
