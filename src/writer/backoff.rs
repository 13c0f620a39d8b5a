//! Backoff: how long the writer waits before it tries the store again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The bound of the first wait doubles with each failure.
const BASE: Duration = Duration::from_millis(100);
/// The longest wait. A wait may begin just before an outage ends, and all rows have to be written within 30 s of that
/// end.
const LIMIT: Duration = Duration::from_secs(15);
/// The longest wait while a flush waits. The caller soon learns that the database is back. A service that flushes for
/// every request still leaves the database alone between tries.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Exponential backoff with full jitter: each wait is random, between zero and a bound that doubles. So services do
/// not all return to a restarted database at the same moment.
///
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

/// The wait before the next try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) usual: Duration,
    /// The wait while a flush waits.
    pub(super) hurried: Duration,
}

impl Backoff {
    /// Returns the next wait, and doubles the bound.
    pub(super) fn next(&mut self) -> Pause {
        let (bound, fraction) = (self.bound(), fraction());
        self.failures = self.failures.saturating_add(1);
        Pause { usual: bound.mul_f64(fraction), hurried: bound.min(FLUSH_LIMIT).mul_f64(fraction) }
    }

    /// Starts over with the first bound.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    fn bound(&self) -> Duration {
        BASE.saturating_mul(2_u32.saturating_pow(self.failures)).min(LIMIT)
    }
}

/// A random number from 0 to 1, made from the random keys of the standard library's hash maps.
fn fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish() as u32;
    f64::from(random) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_from_100_ms_to_15_s() {
        let mut backoff = Backoff::default();
        let bounds: Vec<_> = (0..11).map(|_| (backoff.bound().as_millis(), backoff.next()).0).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 15_000, 15_000, 15_000]);
        backoff.reset();
        assert_eq!(backoff.bound(), BASE);
    }

    #[test]
    fn no_wait_is_longer_than_its_bound_and_waits_differ() {
        let waits: Vec<_> = (0..100).map(|_| Backoff { failures: 3 }.next().usual).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(800)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    #[test]
    fn a_flush_waits_a_second_at_most_and_no_two_of_them_in_step() {
        let waits: Vec<_> = (0..100).map(|_| Backoff { failures: 20 }.next()).collect();
        assert!(waits.iter().all(|wait| wait.hurried <= FLUSH_LIMIT && wait.hurried <= wait.usual));
        assert!(waits.iter().any(|wait| wait.hurried != waits[0].hurried));
        let early = Backoff { failures: 0 }.next();
        assert_eq!(early.hurried, early.usual);
    }
}
