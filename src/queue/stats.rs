//! The public account: what became of every record, in numbers.

use std::fmt;

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
