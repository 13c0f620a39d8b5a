//! Why a row waits: something that the table lacks.

use std::time::UNIX_EPOCH;

use uuid::Uuid;

use crate::row::Row;
use crate::store::Failure;

/// After this many rows of a batch were found alone, the others that may have the same fault wait without a try.
const MOST_ALONE: usize = 16;
/// The same where finding one takes as long as the server's timeouts: of new rows, and of those that wait already.
const MOST_ALONE_IN_TIME: [usize; 2] = [4, 1];

/// Why the table has no place for a row.
#[derive(Clone, Copy)]
pub(super) enum Lack {
    Partition,
    /// The statement takes longer than the server's timeouts: a row that it needs is locked, or a trigger is slow.
    Time,
    /// Which references are not there.
    Reference {
        restaurant_id: bool,
        booking_id: bool,
    },
}

impl Lack {
    pub(super) fn of(failure: Failure) -> Option<Self> {
        match failure {
            Failure::Wait => Some(Self::Partition),
            Failure::Halve => Some(Self::Time),
            Failure::Reference { restaurant_id, booking_id } => {
                Some(Self::Reference { restaurant_id, booking_id })
            }
            _ => None,
        }
    }

    /// Whether the row waits without a timeout: it cannot be written without this.
    pub(super) fn is_endless(self) -> bool {
        !matches!(self, Self::Reference { .. })
    }

    pub(super) fn takes_time(self) -> bool {
        matches!(self, Self::Time)
    }

    /// The most rows of a batch that are found alone. `waits`: of rows that wait already.
    pub(super) fn most_alone(self, waits: bool) -> usize {
        if self.takes_time() { MOST_ALONE_IN_TIME[usize::from(waits)] } else { MOST_ALONE }
    }

    /// Whether the row can have this fault.
    pub(super) fn may_be_of(self, row: &Row) -> bool {
        match self {
            Self::Partition | Self::Time => true,
            Self::Reference { restaurant_id, booking_id } => {
                restaurant_id && row.restaurant_id.is_some() || booking_id && row.booking_id.is_some()
            }
        }
    }

    /// Whether a row has the fault of another one for certain, or most likely.
    pub(super) fn is_shared(self, one: &Row, other: &Row) -> bool {
        let hour = |row: &Row| row.created_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 3600;
        match self {
            Self::Partition => hour(one) == hour(other) && one.event_type == other.event_type,
            Self::Time if references(one) == (None, None) => one.id == other.id,
            Self::Time => references(one) == references(other),
            Self::Reference { restaurant_id, booking_id } => {
                (!restaurant_id || one.restaurant_id == other.restaurant_id)
                    && (!booking_id || one.booking_id == other.booking_id)
            }
        }
    }
}

pub(super) type References = (Option<Uuid>, Option<Uuid>);

pub(super) fn references(row: &Row) -> References {
    (row.restaurant_id, row.booking_id)
}
