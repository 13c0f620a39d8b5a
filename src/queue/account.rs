//! Counts what becomes of every record. Queue, writer and guard share one account.

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::stats::{Dropped, Refused, Stats};
use crate::sync::AtomicU64;

/// The mark of a closed queue in [`Account::state`].
pub(super) const CLOSED: u64 = 1 << 63;

/// A value with cache lines of its own, as processors fetch them in pairs: threads that write to its neighbours do not
/// slow it down.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct OwnLine<T>(pub(super) T);

/// A number that only grows.
///
/// A reader that sees a count also sees what was counted before it. So the parts, which are read first, never add up to
/// more than the whole, which is read last.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, records: u64) {
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
    /// Counted in the child, which has no writer.
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
    /// When the first and the last loss since the last report happened, in microseconds since 1970.
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
        // Last, so that a reader of the count sees its times.
        self.count.add(records);
    }

    fn take_times(&self) -> RangeInclusive<SystemTime> {
        let now = micros(SystemTime::now());
        // Another thread may have set its times, which are already taken, but not yet its count.
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

/// The counts of all records since the ledger was built, by their fate.
#[derive(Default)]
pub(crate) struct Account {
    /// Records accepted, and [`CLOSED`]: the one word that every caller writes.
    pub(super) state: OwnLine<AtomicU64>,
    /// Records that an earlier process left in the spool.
    inherited: Counter,
    /// Now on disk.
    spooled: AtomicU64,
    written: Counter,
    /// By [`Cause`].
    losses: [Loss; Cause::ALL.len()],
}

impl Account {
    /// The number of records accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.state.0.load(Ordering::Relaxed) & !CLOSED
    }

    /// Takes over what an earlier process left in the spool: records that can be read, and records that cannot.
    pub(crate) fn inherit(&self, spooled: u64, corrupt: u64) {
        self.inherited.add(spooled + corrupt);
        self.spool(spooled);
        if corrupt > 0 {
            self.lose(Cause::Corrupt, corrupt);
        }
    }

    pub(crate) fn lose(&self, cause: Cause, records: u64) {
        self.losses[cause as usize].add(records);
    }

    pub(crate) fn lost(&self, cause: Cause) -> u64 {
        self.losses[cause as usize].count.get()
    }

    /// When the first and the last record were lost for that cause, since the last call.
    pub(crate) fn take_times(&self, cause: Cause) -> RangeInclusive<SystemTime> {
        self.losses[cause as usize].take_times()
    }

    /// The store has committed so many rows.
    pub(crate) fn write(&self, rows: usize) {
        self.written.add(rows as u64);
    }

    /// So many more records are on disk.
    pub(crate) fn spool(&self, records: u64) {
        self.spooled.fetch_add(records, Ordering::Release);
    }

    /// So many records have left the spool. Call it before they are counted elsewhere, so that no reader finds them in
    /// both places.
    pub(crate) fn unspool(&self, records: u64) {
        self.spooled.fetch_sub(records, Ordering::Release);
    }

    /// Exactly so many records are on disk now; the others are in memory again.
    pub(crate) fn recount_spooled(&self, records: u64) {
        self.spooled.store(records, Ordering::Release);
    }

    /// The whole account. `accepted` is read last, after everything that comes out of it.
    pub(crate) fn stats(&self) -> Stats {
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
        stats.accepted = self.accepted() + self.inherited.get();
        stats.offered = stats.accepted + stats.refused.total();
        stats.in_flight = stats.accepted.saturating_sub(stats.settled() + stats.spooled);
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_have_the_times_of_the_first_and_the_last_since_the_last_report() {
        let account = Account::default();
        let before = time(micros(SystemTime::now()));
        account.lose(Cause::Evicted, 2);
        account.lose(Cause::Evicted, 3);
        let after = SystemTime::now();
        assert_eq!(account.stats().dropped.evicted, 5);
        let times = account.take_times(Cause::Evicted);
        assert!(before <= *times.start() && times.start() <= times.end() && *times.end() <= after);

        account.lose(Cause::Evicted, 1);
        assert!(account.take_times(Cause::Evicted).start() >= times.end(), "the earlier ones are taken");
    }

    #[test]
    fn records_on_disk_are_neither_in_flight_nor_settled() {
        let account = Account::default();
        account.inherit(3, 0);
        account.spool(2);
        account.unspool(2);
        account.write(2);
        account.state.0.store(4, Ordering::Relaxed);
        let stats = account.stats();
        assert_eq!((stats.offered, stats.accepted, stats.spooled, stats.written), (7, 7, 3, 2));
        assert_eq!(stats.in_flight, 2);
    }
}
