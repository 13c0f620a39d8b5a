//! The times between two attempts.

use jiff::Timestamp;

use super::answer::Wait;
use super::timed::{Timed, milliseconds};
use crate::report::why::why;

/// `groups` are the places of calls in the order of their beginning.
pub(super) fn waits(rows: &[Timed], groups: &[Vec<usize>], first: Timestamp) -> Vec<Wait> {
    let mut waits: Vec<Wait> = Vec::new();
    for (after, before) in groups.iter().flat_map(|places| pairs(rows, places)) {
        let failed = &rows[after].row;
        let (Some(from), Some(to)) = (failed.moment, rows[before].start) else { continue };
        if to <= from || failed.success == Some(true) {
            continue;
        }
        let reason = why(failed.reason_code.as_deref(), failed.reason.as_deref(), failed.outcome.as_deref());
        waits.push(Wait {
            after,
            before,
            offset_ms: milliseconds(first, from),
            duration_ms: milliseconds(from, to),
            reason,
        });
    }
    waits.sort_by(|one, other| one.offset_ms.total_cmp(&other.offset_ms));
    waits
}

/// Each call with the one before it: the last one of its job, or else the last one of all unless that is within an open job.
fn pairs(rows: &[Timed], places: &[usize]) -> Vec<(usize, usize)> {
    let pair = |(count, before): (usize, &usize)| {
        let earlier = &places[..count];
        let row = &rows[*before];
        let is_of_its_job = |place: &&usize| row.within.is_some() && rows[**place].within == row.within;
        let of_its_job = earlier.iter().rfind(is_of_its_job);
        let last = earlier.last().filter(|place| row.open_jobs == 0 && !is_in_open_job(rows, **place, row));
        Some((*of_its_job.or(last)?, *before))
    };
    places.iter().enumerate().filter_map(pair).collect()
}

/// Whether the row is within a job that goes on while the other begins, or may be.
fn is_in_open_job(rows: &[Timed], place: usize, other: &Timed) -> bool {
    let row = &rows[place];
    row.open_jobs > 0 || row.within.is_some_and(|job| rows[job].row.moment > other.start)
}
