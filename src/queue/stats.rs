//! `Stats`: the public counts of records and rows.

use std::fmt;

/// The counts of all records since the ledger was built.
///
/// When no record is moving:
///
/// - `offered = accepted + refused`
/// - `accepted = in_flight + spooled + written + quarantined + dropped`
///
/// Each record counts in exactly one place of each line. While threads offer records, a record that is being offered
/// may already count as accepted.
///
/// Rows that an earlier process left in the spool count as offered and accepted when the ledger is built. The
/// ledger's own `ledger.loss` rows do not count, unless an earlier process left them in the spool.
///
/// # Metrics
///
/// With the feature `metrics`, the recorder of the [`metrics`](https://docs.rs/metrics) crate gets these counts every
/// second and at the end, under
/// [OpenTelemetry's names](https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/) for span processors:
///
/// | metric | kind | value |
/// |---|---|---|
/// | `otel.sdk.processor.span.processed` | counter | `written`; with `error.type`, the records that never become rows: `queue_full` (refused or evicted), `already_shutdown`, `forked`, `corrupt`, `quarantined` |
/// | `otel.sdk.processor.span.queue.size` | gauge | `in_flight` |
/// | `otel.sdk.processor.span.queue.capacity` | gauge | records |
/// | `tracing_ledger.spool.size` | gauge | `spooled` |
///
/// Labels: `otel.component.type` is `tracing_ledger`, and `otel.component.name` has the number of the ledger within
/// the process, `tracing_ledger/0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records of spans and events that a rule names.
    pub offered: u64,
    /// Records that the queue took.
    pub accepted: u64,
    /// Records that the queue did not take, by cause.
    pub refused: Refused,
    /// Records in memory only, in the queue or the writer. After a shutdown: those that it had no time for.
    pub in_flight: u64,
    /// Records on disk, not yet in the table. After a shutdown: those that the next process will send.
    pub spooled: u64,
    /// Rows committed to the table.
    pub written: u64,
    /// Rows that the database rejected and that are quarantined: see
    /// [`Guard::quarantined`](crate::Guard::quarantined), and `quarantine.jsonl` in the spool directory.
    pub quarantined: u64,
    /// Records accepted and then lost, by cause.
    pub dropped: Dropped,
}

/// Records that the queue did not take, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The queue was full, of records or of bytes: the database is slower than the service, or was down for too long.
    pub queue_full: u64,
    /// The guard was shut down or dropped before the call had ended.
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
    /// Evicted from a full queue by newer ones ([`Overflow::EvictOldest`](crate::Overflow::EvictOldest)).
    pub evicted: u64,
    /// Unreadable on disk, deleted with the spool, or torn by the end of an earlier process.
    pub corrupt: u64,
}

impl Dropped {
    /// All causes together.
    pub fn total(&self) -> u64 {
        self.evicted + self.corrupt
    }
}

impl Stats {
    /// Accepted records that have left the ledger: written, quarantined or lost.
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
