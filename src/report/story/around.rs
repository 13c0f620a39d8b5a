//! Finds the jobs around a row whose ids name none.

use jiff::SignedDuration;

use super::answer::RowKind;
use super::timed::Timed;
use crate::report::question::JobRule;

/// Duration and `created_at` come from two clocks, so a call may seem to begin this much before the job around it.
const SLACK: SignedDuration = SignedDuration::from_millis(10);

/// The jobs in whose time and flow the row is, and that have no other value of a key that it inherits.
pub(super) fn jobs_around(rows: &[Timed], jobs: &[JobRule], row: &Timed) -> Vec<usize> {
    let around = rows.iter().enumerate().filter(|(_, around)| around.kind == RowKind::Job);
    around.filter(|(_, around)| is_around(around, jobs, row)).map(|(place, _)| place).collect()
}

fn is_around(around: &Timed, jobs: &[JobRule], row: &Timed) -> bool {
    let Some(job) = jobs.iter().find(|job| job.is_job(&around.row.event_type)) else {
        return false;
    };
    let own_events = job.event_type.0.rsplit_once('.').is_some_and(|(own, _)| {
        row.kind == RowKind::Event && row.row.event_type.rsplit_once('.').is_some_and(|(flow, _)| flow == own)
    });
    let flows = around.row.flow.as_ref().zip(row.row.flow.as_ref());
    let traces = around.row.trace_id.as_ref().zip(row.row.trace_id.as_ref());
    (own_events || row.row.event_type == job.of)
        && around.row.booking_id == row.row.booking_id
        && flows.is_none_or(|(one, other)| one == other)
        && traces.is_none_or(|(one, other)| one == other)
        && is_at_its_time(around, row)
        && !differs(around, job, row)
}

fn differs(around: &Timed, job: &JobRule, row: &Timed) -> bool {
    let value = |of: &Timed, key: &String| {
        of.inherited.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let both = |key| value(around, key).zip(value(row, key));
    job.inherited.iter().filter_map(both).any(|(one, other)| one != other)
}

fn is_at_its_time(around: &Timed, row: &Timed) -> bool {
    let (Some(from), Some(to)) = (around.start, around.row.moment) else { return false };
    let (Some(begin), Some(end)) = (row.start, row.row.moment) else { return false };
    begin.duration_since(from) >= -SLACK && end.duration_since(to) <= SLACK
}
