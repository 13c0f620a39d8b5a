//! How long to wait before the next try.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The bound of the first wait.
const BASE: Duration = Duration::from_millis(100);
/// No wait is longer: what has piled up is to be written within 30 s of the end of an outage, and a wait may begin
/// just before.
const LIMIT: Duration = Duration::from_secs(15);

/// Exponential backoff with full jitter: any wait between nothing and a bound that doubles, so that many services
/// do not come back to a restarted database in step.
///
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(fraction())
    }

    /// Starts over.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    fn bound(&self) -> Duration {
        BASE.saturating_mul(2_u32.saturating_pow(self.failures)).min(LIMIT)
    }
}

/// A random number from 0 to 1, from the keys that the standard library draws for its hash maps.
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
        let waits: Vec<_> = (0..100).map(|_| Backoff { failures: 3 }.next()).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(800)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
