//! How long the machine leaves a thread without a processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The sleep between two looks.
const BEAT: Duration = Duration::from_millis(1);

/// A thread that only sleeps, and measures how late it wakes. It takes no lock and touches no disk, so it is late only
/// because other work keeps the processors busy. It ends with this value.
pub(crate) struct Stalls(Arc<AtomicU64>);

impl Stalls {
    pub(crate) fn watch() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&longest);
        thread::spawn(move || {
            while let Some(longest) = watched.upgrade() {
                let began = Instant::now();
                thread::sleep(BEAT);
                let late = began.elapsed().saturating_sub(BEAT).as_nanos();
                longest.fetch_max(late.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self(longest)
    }

    /// The longest delay since the start.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
