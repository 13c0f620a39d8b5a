//! Makes a story of its rows: their order, which are within which, the attempts and the waits.

use std::collections::HashMap;

use super::answer::{Ending, RowKind, Story};
use super::around::jobs_around;
use super::find::{Named, StoryRows};
use super::timed::{Timed, milliseconds};
use super::waits::waits;
use crate::report::question::{JobRule, Question};

pub(super) fn build(question: &Question, id: &str, named: &Named, rows: StoryRows) -> Story {
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

/// Finds the row around each: by the ids of spans, or else the job of the same booking at that time.
fn nest(rows: &mut [Timed], jobs: &[JobRule]) {
    let mut spans: HashMap<&str, usize> = HashMap::new();
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.kind != RowKind::Event) {
        if let Some(span) = &row.row.span_id {
            spans.entry(span).or_insert(place);
        }
    }
    let around: Vec<Vec<usize>> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| {
            let around = if row.kind == RowKind::Event { &row.row.span_id } else { &row.row.parent_span_id };
            let by_ids = around.as_ref().and_then(|span| spans.get(span.as_str()).copied());
            let mut around = by_ids.map_or_else(|| jobs_around(rows, jobs, row), |around| vec![around]);
            around.retain(|around| *around != place);
            around
        })
        .collect();
    // Where several jobs are open, nothing tells which of them it is.
    let within: Vec<Option<usize>> =
        around.iter().map(|around| around.first().copied().filter(|_| around.len() == 1)).collect();
    for (place, row) in rows.iter_mut().enumerate() {
        row.within = within[place].filter(|_| !is_in_circle(&within, place));
        row.open_jobs = if around[place].len() > 1 { around[place].len() as u64 } else { 0 };
    }
}

/// Rows that others wrote may name each other.
fn is_in_circle(within: &[Option<usize>], place: usize) -> bool {
    let outwards = std::iter::successors(within[place], |place| within[*place]);
    outwards.take(within.len()).any(|outer| outer == place)
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

/// The row that ends the story: the last of the jobs, the attempts and the events of their flows, or else the last call, or
/// else the last row.
fn ending(rows: &[Timed], jobs: &[JobRule]) -> Option<Ending> {
    let is_of_flow = |row: &Timed| {
        let flow = row.row.event_type.rsplit_once('.').map(|(flow, _)| flow);
        jobs.iter().any(|job| {
            let own = job.event_type.0.rsplit_once('.').map(|(flow, _)| flow);
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
