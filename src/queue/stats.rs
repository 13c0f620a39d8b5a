//! What became of every record, in numbers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of every record that was offered since the ledger was built.
///
/// Whenever nothing is on the move, and no record is forgotten:
///
/// - `offered = accepted + refused`
/// - `accepted = in_flight + spooled + written + quarantined + dropped`
///
/// A record counts in exactly one place of each line. While threads are offering, a record on its way in may
/// already count as accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records of spans and tracing events that a rule named.
    pub offered: u64,
    /// Records that got into the queue.
    pub accepted: u64,
    /// Records that did not, by cause.
    pub refused: Refused,
    /// Records in the queue or in the writer's hands. After a shutdown: those it had no time for.
    pub in_flight: u64,
    /// Records on disk, not yet in the table.
    pub spooled: u64,
    /// Rows committed to the table.
    pub written: u64,
    /// Rows the database will never take, set aside: see [`Guard::quarantined`](crate::Guard::quarantined).
    pub quarantined: u64,
    /// Records accepted and then lost, by cause.
    pub dropped: Dropped,
}

/// Records that never got into the queue, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The queue was full: the database is slower than the service, or away for too long.
    pub queue_full: u64,
    /// The guard had been shut down or dropped.
    pub shutdown: u64,
    /// The process is a forked child, which has no writer.
    pub forked: u64,
}

impl Refused {
    /// All causes together.
    pub fn total(&self) -> u64 {
        self.queue_full + self.shutdown + self.forked
    }
}

/// Records that were accepted and then lost, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Pushed out of a full queue by newer ones ([`Overflow::DropOldest`](crate::Overflow::DropOldest)).
    pub evicted: u64,
    /// Unreadable when they were read back from disk.
    pub corrupt: u64,
}

impl Dropped {
    /// All causes together.
    pub fn total(&self) -> u64 {
        self.evicted + self.corrupt
    }
}

impl Stats {
    /// Accepted records whose fate is known: written, quarantined or lost.
    pub(crate) fn settled(&self) -> u64 {
        self.written + self.quarantined + self.dropped.total()
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offered, accepted, refused, in_flight, spooled, written, quarantined, dropped } = self;
        write!(
            f,
            "offered {offered} = accepted {accepted} + refused {} (queue_full {}, shutdown {}, \
             forked {}); accepted {accepted} = in_flight {in_flight} + spooled {spooled} + written {written} + \
             quarantined {quarantined} + dropped {} (evicted {}, corrupt {})",
            refused.total(),
            refused.queue_full,
            refused.shutdown,
            refused.forked,
            dropped.total(),
            dropped.evicted,
            dropped.corrupt,
        )
    }
}

/// A number that only grows.
///
/// A reader that sees a count also sees what its writer had counted before: so the parts that are read first
/// never add up to more than the whole that is read last.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, records: u64) {
        self.0.fetch_add(records, Ordering::Release);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Everything that is counted beside the number of accepted records, which the queue keeps itself.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) queue_full: Counter,
    pub(super) shutdown: Counter,
    pub(super) forked: Counter,
    pub(super) written: Counter,
    pub(super) quarantined: Counter,
    pub(super) evicted: Counter,
}

impl Counters {
    /// The whole account. `accepted` is read after everything that comes out of it.
    pub(super) fn stats(&self, accepted: impl FnOnce() -> u64) -> Stats {
        let mut stats = Stats {
            refused: Refused {
                queue_full: self.queue_full.get(),
                shutdown: self.shutdown.get(),
                forked: self.forked.get(),
            },
            written: self.written.get(),
            quarantined: self.quarantined.get(),
            dropped: Dropped { evicted: self.evicted.get(), corrupt: 0 },
            ..Stats::default()
        };
        stats.accepted = accepted();
        stats.offered = stats.accepted + stats.refused.total();
        stats.in_flight = stats.accepted.saturating_sub(stats.settled());
        stats
    }
}
