//! What happens when the queue is full.

use std::time::Duration;

/// What to do with a record when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Refuse it. The rows from the beginning of the outage are kept.
    #[default]
    Refuse,
    /// Evict the oldest. The most recent rows are kept.
    ///
    /// Records wait in chunks of up to 50, or fewer if the queue is small. A chunk is evicted whole, and each of its
    /// records is counted.
    ///
    /// If other threads take the new room 64 times in a row, the record is refused as `queue_full`.
    EvictOldest,
    /// Let the caller wait up to this long for room, then refuse the record. In async code this blocks the thread of
    /// the executor.
    Block(Duration),
}
