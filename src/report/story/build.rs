//! Makes a story of its rows: their order, which are within which, the attempts and the waits.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::value::{RawValue, to_raw_value};

use super::answer::{Ending, RowKind, Story, StoryRow, Wait};
use super::find::{Named, Place, Rows};
use super::found::Found;
use crate::report::observe::by_event_type;
use crate::report::question::{JobRule, Question};
use crate::report::why::why;

/// Duration and `created_at` come from two clocks, so a call may seem to begin this much before the job around it.
const SLACK: SignedDuration = SignedDuration::from_millis(10);

/// A row with its place in time.
struct Timed {
    row: Found,
    kind: RowKind,
    start: Option<Timestamp>,
    /// The place of the row around it.
    within: Option<usize>,
    attempt: Option<u64>,
}

pub(super) fn build(question: &Question, id: &str, named: &Named, rows: Rows) -> Story {
    let jobs = question.jobs();
    let mut timed: Vec<Timed> =
        rows.kept.rows.into_iter().map(|row| Timed::new(question, &jobs, row)).collect();
    timed.sort_by(|one, other| one.key().cmp(&other.key()));
    nest(&mut timed, &jobs);
    let mut timed = in_order(timed);
    let groups = attempts(&mut timed, &jobs);
    let first = timed.iter().filter_map(|row| row.start).min();
    let last = timed.iter().filter_map(|row| row.row.moment).max();
    let waits = first.map(|first| waits(&timed, &groups, first)).unwrap_or_default();
    let is_one = groups.len() <= 1 && rows.kept.left_out == 0;
    let ending = if is_one { ending(&timed, &jobs) } else { None };
    let found_as = rows.found_as;
    Story {
        id: id.to_owned(),
        tried: named.tried(),
        first: first.map(Into::into),
        last: last.map(Into::into),
        rows: timed.into_iter().map(|row| row.into_row(first, found_as.as_ref())).collect(),
        waits,
        ending,
        left_out: rows.kept.left_out,
        found_as: found_as.map(|(place, _)| place.name().to_owned()),
    }
}

impl Timed {
    fn new(question: &Question, jobs: &[JobRule], row: Found) -> Self {
        let rules = question.known_rules();
        let is_call = |row: &Found| {
            row.outcome.is_some() || by_event_type(&rules).any(|(event_type, _)| event_type == row.event_type)
        };
        let kind = if jobs.iter().any(|job| job.event_type == row.event_type) {
            RowKind::Job
        } else if is_call(&row) {
            RowKind::Call
        } else {
            RowKind::Event
        };
        // The duration in an event is that of something else.
        let duration = row.duration_ms.filter(|_| kind != RowKind::Event);
        let start = row.moment.and_then(|end| start(end, duration));
        Self { row, kind, start, within: None, attempt: None }
    }

    fn key(&self) -> (bool, Option<Timestamp>, bool, Option<Timestamp>, &Option<String>) {
        (self.start.is_none(), self.start, self.kind == RowKind::Event, self.row.moment, &self.row.id)
    }

    fn into_row(self, first: Option<Timestamp>, found_as: Option<&(Place, String)>) -> StoryRow {
        let Self { row, kind, start, within, attempt } = self;
        let named = match found_as {
            Some((Place::Row, id)) => row.id.as_ref() == Some(id),
            Some((Place::Span, id)) => row.span_id.as_ref() == Some(id) && kind != RowKind::Event,
            _ => false,
        };
        StoryRow {
            offset_ms: first.zip(start).map(|(first, start)| milliseconds(first, start)),
            start: start.map(Into::into),
            created_at: row.moment.map(Into::into),
            context: row.context.and_then(raw),
            id: row.id,
            event_type: row.event_type,
            source: row.source,
            severity: row.severity,
            flow: row.flow,
            booking_id: row.booking_id,
            restaurant_id: row.restaurant_id,
            duration_ms: row.duration_ms,
            outcome: row.outcome,
            success: row.success,
            reason: row.reason,
            reason_code: row.reason_code,
            result: row.result,
            calls: row.calls,
            calls_ms: row.calls_ms,
            kind,
            attempt,
            within,
            named,
        }
    }
}

/// A context that is no JSON is its text.
fn raw(context: String) -> Option<Box<RawValue>> {
    RawValue::from_string(context.clone()).or_else(|_| to_raw_value(&context)).ok()
}

/// To the microsecond, as `created_at` is.
fn start(end: Timestamp, duration_ms: Option<f64>) -> Option<Timestamp> {
    let microseconds = (duration_ms.unwrap_or_default().max(0.0) * 1000.0).round();
    // No call takes so long.
    if microseconds > 1e18 {
        return Some(end);
    }
    let duration = SignedDuration::from_micros(microseconds as i64);
    Some(end.checked_sub(duration).unwrap_or(end))
}

fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_micros() as f64 / 1000.0
}

/// Finds the row around each: by the ids of spans, or else the job of the same booking at that time.
fn nest(rows: &mut [Timed], jobs: &[JobRule]) {
    let mut spans: HashMap<&str, usize> = HashMap::new();
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.kind != RowKind::Event) {
        if let Some(span) = &row.row.span_id {
            spans.entry(span).or_insert(place);
        }
    }
    let within: Vec<Option<usize>> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| {
            let around = if row.kind == RowKind::Event { &row.row.span_id } else { &row.row.parent_span_id };
            let by_ids = around.as_ref().and_then(|span| spans.get(span.as_str()).copied());
            by_ids.or_else(|| job_around(rows, jobs, row)).filter(|around| *around != place)
        })
        .collect();
    for (place, row) in rows.iter_mut().enumerate() {
        row.within = within[place].filter(|_| !is_in_circle(&within, place));
    }
}

/// Rows that others wrote may name each other.
fn is_in_circle(within: &[Option<usize>], place: usize) -> bool {
    let outwards = std::iter::successors(within[place], |place| within[*place]);
    outwards.take(within.len()).any(|outer| outer == place)
}

/// The last job that began before the row, and in whose time and flow the row is.
fn job_around(rows: &[Timed], jobs: &[JobRule], row: &Timed) -> Option<usize> {
    let is_around = |(_, around): &(usize, &Timed)| {
        let Some(job) = jobs.iter().find(|job| job.event_type == around.row.event_type) else { return false };
        let own_events = job.event_type.rsplit_once('.').is_some_and(|(own, _)| {
            row.kind == RowKind::Event
                && row.row.event_type.rsplit_once('.').is_some_and(|(flow, _)| flow == own)
        });
        let flows = around.row.flow.as_ref().zip(row.row.flow.as_ref());
        let traces = around.row.trace_id.as_ref().zip(row.row.trace_id.as_ref());
        (own_events || row.row.event_type == job.of)
            && around.row.booking_id == row.row.booking_id
            && flows.is_none_or(|(one, other)| one == other)
            && traces.is_none_or(|(one, other)| one == other)
            && is_at_its_time(around, row)
    };
    rows.iter()
        .enumerate()
        .filter(|(_, around)| around.kind == RowKind::Job)
        .filter(is_around)
        .map(|(place, _)| place)
        .next_back()
}

fn is_at_its_time(around: &Timed, row: &Timed) -> bool {
    let (Some(from), Some(to)) = (around.start, around.row.moment) else { return false };
    let (Some(begin), Some(end)) = (row.start, row.row.moment) else { return false };
    begin.duration_since(from) >= -SLACK && end.duration_since(to) <= SLACK
}

/// Puts the rows in the order of their beginning. A row begins no earlier than those around it, whose times come from
/// other readings of the clocks.
fn in_order(mut rows: Vec<Timed>) -> Vec<Timed> {
    let around = |rows: &[Timed], place: usize| -> Vec<usize> {
        std::iter::successors(rows[place].within, |place| rows[*place].within).collect()
    };
    let outwards: Vec<Vec<usize>> = (0..rows.len()).map(|place| around(&rows, place)).collect();
    let starts: Vec<_> = rows.iter().map(|row| row.start).collect();
    for (row, around) in rows.iter_mut().zip(&outwards) {
        row.start =
            row.start.map(|start| around.iter().filter_map(|place| starts[*place]).fold(start, Ord::max));
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|place| (rows[*place].start.is_none(), rows[*place].start, outwards[*place].len()));
    let mut new_place = vec![0; rows.len()];
    for (new, old) in order.iter().enumerate() {
        new_place[*old] = new;
    }
    let mut rows: Vec<_> = rows.into_iter().map(Some).collect();
    let taken = order.into_iter().filter_map(|old| rows[old].take());
    taken.map(|row| Timed { within: row.within.map(|around| new_place[around]), ..row }).collect()
}

/// The event type of calls, and their booking.
type Group = (String, Option<String>);

/// Numbers the calls of a job's kind for each booking, and returns their places in the order of their beginning.
fn attempts(rows: &mut [Timed], jobs: &[JobRule]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Group, Vec<usize>)> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        if row.kind != RowKind::Call || !jobs.iter().any(|job| job.of == row.row.event_type) {
            continue;
        }
        let group = (row.row.event_type.clone(), row.row.booking_id.clone());
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, places)) => places.push(place),
            None => groups.push((group, vec![place])),
        }
    }
    let mut groups: Vec<Vec<usize>> = groups.into_iter().map(|(_, places)| places).collect();
    for places in &mut groups {
        places.sort_by_key(|place| (rows[*place].start.is_none(), rows[*place].start, *place));
        for (number, place) in (1..).zip(places.iter()) {
            rows[*place].attempt = Some(number);
        }
    }
    groups
}

fn waits(rows: &[Timed], groups: &[Vec<usize>], first: Timestamp) -> Vec<Wait> {
    let mut waits: Vec<Wait> = Vec::new();
    for pair in groups.iter().flat_map(|places| places.windows(2)) {
        let [after, before] = [pair[0], pair[1]];
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

/// The row that says how it ended: of the jobs, the attempts and the events of their flows the last one, or else the last
/// call, or else the last row.
fn ending(rows: &[Timed], jobs: &[JobRule]) -> Option<Ending> {
    let is_of_flow = |row: &Timed| {
        let flow = row.row.event_type.rsplit_once('.').map(|(flow, _)| flow);
        jobs.iter().any(|job| {
            let own = job.event_type.rsplit_once('.').map(|(flow, _)| flow);
            job.of == row.row.event_type
                || flow.is_some()
                    && (flow == own || job.flows.iter().any(|known| Some(known.as_str()) == flow))
        })
    };
    let last = |counts: &dyn Fn(&Timed) -> bool| {
        let counted = rows.iter().enumerate().filter(|(_, row)| row.row.moment.is_some() && counts(row));
        counted.max_by_key(|(place, row)| (row.row.moment, row.kind == RowKind::Job, *place))
    };
    let (place, row) =
        last(&is_of_flow).or_else(|| last(&|row| row.kind != RowKind::Event)).or_else(|| last(&|_| true))?;
    let begun = rows.iter().filter(|other| other.attempt.is_some() && other.start <= row.row.moment);
    let first_call = rows.iter().filter(|row| row.kind != RowKind::Event).filter_map(|row| row.start).min();
    Some(Ending {
        row: place,
        event_type: row.row.event_type.clone(),
        result: row.row.result.clone().or_else(|| row.row.outcome.clone()),
        attempts: begun.count() as u64,
        after_ms: first_call.zip(row.row.moment).map(|(first, end)| milliseconds(first, end)),
    })
}
