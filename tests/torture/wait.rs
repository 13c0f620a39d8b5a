//! Waits for states that no event announces: a server's state, a counter, the end of a stretch of load.

use std::thread;
use std::time::{Duration, Instant};

const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Looks until it is so, and panics when it is not so by then; how long it took.
#[track_caller]
pub(crate) fn until(limit: Duration, what: &str, so: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        pause(LOOK_AGAIN);
    }
    began.elapsed()
}

/// Lets the other threads go on for that long. Nothing is decided by it: it is how long a fault lasts, and the
/// pace of a load.
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
