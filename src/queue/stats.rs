//! What became of every record, in numbers.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sync::AtomicU64;

/// What became of every record that was offered since the ledger was built.
///
/// Whenever nothing is on the move, and no record is forgotten:
///
/// - `offered = accepted + refused`
/// - `accepted = in_flight + spooled + written + quarantined + dropped`
///
/// A record counts in exactly one place of each line. While threads are offering, a record on its way in may
/// already count as accepted.
///
/// Rows that an earlier process left in the spool count as offered and accepted when the ledger is built. The
/// ledger's own rows on losses (`ledger.loss`) count nowhere, unless an earlier process left them in the spool.
///
/// # Metrics
///
/// With the feature `metrics` the account is told to the recorder of the [`metrics`](https://docs.rs/metrics) crate,
/// every second and at the end, under the names that
/// [OpenTelemetry gives](https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/) to those of span processors:
///
/// | metric | kind | value |
/// |---|---|---|
/// | `otel.sdk.processor.span.processed` | counter | `written`; with `error.type`, what never becomes a row: `queue_full` (refused or pushed out), `already_shutdown`, `forked`, `corrupt`, `quarantined` |
/// | `otel.sdk.processor.span.queue.size` | gauge | `in_flight` |
/// | `otel.sdk.processor.span.queue.capacity` | gauge | records |
/// | `tracing_ledger.spool.size` | gauge | `spooled` |
///
/// Labels: `otel.component.type` is `tracing_ledger`, and `otel.component.name` has the number of the ledger within
/// the process, `tracing_ledger/0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records of spans and tracing events that a rule named.
    pub offered: u64,
    /// Records that got into the queue.
    pub accepted: u64,
    /// Records that did not, by cause.
    pub refused: Refused,
    /// Records in the queue or in the writer's hands, in memory alone. After a shutdown: those it had no time for.
    pub in_flight: u64,
    /// Records on disk, not yet in the table. After a shutdown: those that the next process will send.
    pub spooled: u64,
    /// Rows committed to the table.
    pub written: u64,
    /// Rows the database will never take, set aside: see [`Guard::quarantined`](crate::Guard::quarantined), and
    /// `quarantine.jsonl` in the spool directory.
    pub quarantined: u64,
    /// Records accepted and then lost, by cause.
    pub dropped: Dropped,
}

/// Records that never got into the queue, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The queue was full, of records or of bytes: the database is slower than the service, or away for too long.
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
    /// Unreadable when they were read back from disk, or torn by the end of an earlier process.
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

    fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a record never becomes a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    QueueFull,
    Shutdown,
    /// Counted in the child, which has no writer to tell of it.
    Forked,
    Evicted,
    Corrupt,
    Quarantined,
}

impl Cause {
    pub(crate) const ALL: [Self; 6] =
        [Self::QueueFull, Self::Shutdown, Self::Forked, Self::Evicted, Self::Corrupt, Self::Quarantined];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Shutdown => "shutdown",
            Self::Forked => "forked",
            Self::Evicted => "evicted",
            Self::Corrupt => "corrupt",
            Self::Quarantined => "quarantined",
        }
    }
}

/// The losses of one cause.
struct Loss {
    count: Counter,
    /// The times of the first and the last that nobody has asked for yet, in microseconds since 1970.
    first: AtomicU64,
    last: AtomicU64,
}

impl Default for Loss {
    fn default() -> Self {
        Self { count: Counter::default(), first: AtomicU64::new(u64::MAX), last: AtomicU64::new(0) }
    }
}

impl Loss {
    fn add(&self, records: u64) {
        let now = micros(SystemTime::now());
        self.first.fetch_min(now, Ordering::Relaxed);
        self.last.fetch_max(now, Ordering::Relaxed);
        // Last: whoever sees the count sees times that belong to it.
        self.count.add(records);
    }

    fn take_times(&self) -> RangeInclusive<SystemTime> {
        let now = micros(SystemTime::now());
        // Another thread may just be between its times and its count, and the times are taken already.
        let last = self.last.swap(0, Ordering::Relaxed);
        let last = if last == 0 { now } else { last };
        let first = self.first.swap(u64::MAX, Ordering::Relaxed).min(last);
        time(first)..=time(last)
    }
}

fn micros(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

fn time(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}

/// Everything that is counted beside the number of accepted records, which the queue keeps itself.
#[derive(Default)]
pub(super) struct Counters {
    /// Left in the spool by an earlier process.
    pub(super) inherited: Counter,
    /// Now on disk.
    spooled: AtomicU64,
    written: Counter,
    /// By [`Cause`].
    losses: [Loss; Cause::ALL.len()],
}

impl Counters {
    pub(super) fn lose(&self, cause: Cause, records: u64) {
        self.losses[cause as usize].add(records);
    }

    pub(super) fn lost(&self, cause: Cause) -> u64 {
        self.losses[cause as usize].count.get()
    }

    /// When it was that records were lost, since this was asked last.
    pub(super) fn take_times(&self, cause: Cause) -> RangeInclusive<SystemTime> {
        self.losses[cause as usize].take_times()
    }

    pub(super) fn write(&self, rows: u64) {
        self.written.add(rows);
    }

    pub(super) fn spool(&self, records: u64) {
        self.spooled.fetch_add(records, Ordering::Release);
    }

    /// These are not in the spool any more; to be called before they are counted where they are instead, so that no
    /// reader finds them in both places.
    pub(super) fn unspool(&self, records: u64) {
        self.spooled.fetch_sub(records, Ordering::Release);
    }

    pub(super) fn recount_spooled(&self, records: u64) {
        self.spooled.store(records, Ordering::Release);
    }

    /// The whole account. `accepted` is read after everything that comes out of it.
    pub(super) fn stats(&self, accepted: impl FnOnce() -> u64) -> Stats {
        let mut stats = Stats {
            refused: Refused {
                queue_full: self.lost(Cause::QueueFull),
                shutdown: self.lost(Cause::Shutdown),
                forked: self.lost(Cause::Forked),
            },
            written: self.written.get(),
            quarantined: self.lost(Cause::Quarantined),
            dropped: Dropped { evicted: self.lost(Cause::Evicted), corrupt: self.lost(Cause::Corrupt) },
            ..Stats::default()
        };
        stats.spooled = self.spooled.load(Ordering::Acquire);
        stats.accepted = accepted() + self.inherited.get();
        stats.offered = stats.accepted + stats.refused.total();
        stats.in_flight = stats.accepted.saturating_sub(stats.settled() + stats.spooled);
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_have_the_times_of_the_first_and_the_last_since_they_were_told() {
        let counters = Counters::default();
        let before = time(micros(SystemTime::now()));
        counters.lose(Cause::Evicted, 2);
        counters.lose(Cause::Evicted, 3);
        let after = SystemTime::now();
        assert_eq!(counters.stats(|| 7).dropped.evicted, 5);
        let times = counters.take_times(Cause::Evicted);
        assert!(before <= *times.start() && times.start() <= times.end() && *times.end() <= after);

        counters.lose(Cause::Evicted, 1);
        assert!(counters.take_times(Cause::Evicted).start() >= times.end(), "the earlier ones are told");
    }

    #[test]
    fn what_is_on_disk_is_neither_in_flight_nor_settled() {
        let counters = Counters::default();
        counters.inherited.add(3);
        counters.spool(5);
        counters.unspool(2);
        counters.write(2);
        let stats = counters.stats(|| 4);
        assert_eq!((stats.offered, stats.accepted, stats.spooled, stats.written), (7, 7, 3, 2));
        assert_eq!(stats.in_flight, 2);
    }
}
