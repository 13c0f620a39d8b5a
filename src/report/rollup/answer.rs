//! Answers from whole hours that are rolled up, and from the rows around them.

use std::time::SystemTime;

use jiff::Timestamp;

use super::histogram::ERROR_BOUND;
use super::merge::Merge;
use super::{hour_text, moment};
use crate::error::Error;
use crate::report::answer::{Report, RolledUp, Share};
use crate::report::gather::Gather;
use crate::report::key::hours;
use crate::report::observe::Questions;
use crate::report::question::Question;
use crate::store::read::{Reading, RowSource, Selection};
use crate::store::rolled::{Coverage, RolledCell};
use crate::store::{RollupTables, open_rollup, open_to_read};

/// The parts of the answer: some hours from the rollup, and the rows around them.
struct RollupPlan {
    coverage: Coverage,
    /// The hours from the rollup: from the first to before the second. `None` if no whole hour is asked for.
    hours: Option<(i64, i64)>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    /// The hours that count as a whole, because some of their rows are gone.
    widened: Vec<i64>,
    /// How many hours have lost a part of their rows.
    partly_gone: i64,
}

/// As [`report`](super::super::report).
pub(in crate::report) async fn report<U: AsRef<str>>(
    question: &Question,
    urls: &[U],
) -> Result<Report, Error> {
    let details = question.detail;
    let mut question = question.clone().detail(false);
    let mut databases = Vec::new();
    for url in urls {
        let mut tables = open_rollup(url.as_ref(), &question.table, false).await?;
        let plan = RollupPlan::of(&question, &mut tables).await?;
        databases.push((url.as_ref(), tables, plan));
    }
    for (.., plan) in &databases {
        question.since = question.since.min(plan.since);
        question.until = question.until.max(plan.until).filter(|_| question.until.is_some());
    }
    let questions = question.questions();
    let mut gather = Gather::new(&question);
    merge_cells(&questions, &mut databases, &mut gather).await?;
    let mut rows_read = 0;
    for (url, _, plan) in &databases {
        // The last one has the rows of a time that no timestamp holds.
        for selection in plan.selections(&questions).into_iter().rev().enumerate() {
            rows_read += read(url, &question, &questions, selection, &mut gather).await?;
        }
    }
    let mut report = gather.report(&questions);
    let plans: Vec<&RollupPlan> = databases.iter().map(|(.., plan)| plan).collect();
    let mut notes = notes(&report, &plans);
    if details {
        notes.push("Details are not rolled up: leave out --rollup for them.".to_owned());
    }
    // These need all rows of a booking.
    report.attempts.clear();
    let flows = report.jobs.iter_mut().flat_map(|job| &mut job.flows);
    flows.for_each(|flow| flow.handed_over = Share::default());
    report.rollup = Some(rolled_up(&plans, rows_read, notes));
    Ok(report)
}

/// Reads the figures of the hours.
async fn merge_cells(
    questions: &Questions,
    databases: &mut [(&str, RollupTables, RollupPlan)],
    gather: &mut Gather,
) -> Result<(), Error> {
    let mut merge = Merge::new(questions);
    let mut keys = String::new();
    for (_, tables, plan) in databases {
        keys = tables.making().await?.map_or(keys, |making| making.keys);
        let each = &mut |cell: RolledCell| merge.add(&cell);
        if let Some(hours) = plan.hours {
            tables.cells(hours, questions.selection().event_types.clone(), each).await?;
        }
    }
    merge.into(gather, &keys)
}

/// Reads the rows around the hours. Those without a time belong to any period, and count only the first time.
async fn read(
    url: &str,
    question: &Question,
    questions: &Questions,
    (number, selection): (usize, Selection),
    gather: &mut Gather,
) -> Result<u64, Error> {
    let mut rows = 0;
    let each = &mut |reading: &Reading<'_>| {
        if number == 0 || reading.created_at.is_some() {
            rows += 1;
            gather.row(0, &questions.observe(reading));
        }
    };
    open_to_read(url, &question.table)?.read(&selection, each).await?;
    Ok(rows)
}

/// Sentences on figures that are missing, or wider than they were asked for.
fn notes(report: &Report, plans: &[&RollupPlan]) -> Vec<String> {
    let widened = plans.iter().flat_map(|plan| &plan.widened).map(|hour| hour_text(*hour));
    let widened = widened
        .map(|hour| format!("The hour from {hour} counts as a whole, because some of its rows are gone."));
    let mut notes: Vec<String> = widened.collect();
    let partly_gone: i64 = plans.iter().map(|plan| plan.partly_gone).sum();
    if partly_gone > 0 {
        let hours =
            if partly_gone == 1 { "1 hour has".to_owned() } else { format!("{partly_gone} hours have") };
        notes.push(format!(
            "{hours} lost rows: of those that have come since then, late ones may be missing, and returned ones may count twice."
        ));
    }
    if !report.attempts.is_empty() || !report.jobs.is_empty() {
        notes.push(
            "The calls of each booking, and the bookings that jobs took over from a flow, are not rolled up: leave out \
             --rollup for them."
                .to_owned(),
        );
    }
    notes
}

fn rolled_up(plans: &[&RollupPlan], rows_read: u64, notes: Vec<String>) -> RolledUp {
    let until = plans.iter().map(|plan| plan.coverage.until).min();
    let at = plans.iter().map(|plan| plan.coverage.at).min();
    RolledUp {
        until: until.and_then(moment).map(SystemTime::from),
        at: at.and_then(|at| Timestamp::from_microsecond(at).ok()).map(SystemTime::from),
        error_bound: ERROR_BOUND,
        rows_read,
        notes,
    }
}

impl RollupPlan {
    async fn of(question: &Question, tables: &mut RollupTables) -> Result<Self, Error> {
        let Some(coverage) = tables.coverage().await? else {
            return Err(Error::config("nothing is rolled up yet: run tracing-ledger rollup"));
        };
        let Question { mut since, mut until, .. } = *question;
        let mut widened = Vec::new();
        let begin = first_whole(since).unwrap_or(i64::MIN);
        let mut from = begin.max(coverage.from);
        let mut to = until.map_or(i64::MAX, hour_of).min(coverage.until);
        let is_covered = |hour: &i64| (coverage.from..coverage.until).contains(hour);
        if let Some(hour) = since.map(hour_of).filter(|hour| *hour < begin).filter(is_covered)
            && tables.has_lost_rows(hour).await?
        {
            (from, since) = (hour, moment(hour).map(SystemTime::from));
            widened.push(hour);
        }
        let is_cut = |hour: &i64| first_whole(until).is_some_and(|after| *hour < after);
        if let Some(hour) = until.map(hour_of).filter(is_cut).filter(is_covered)
            && tables.has_lost_rows(hour).await?
        {
            (to, until) = (hour + 1, moment(hour + 1).map(SystemTime::from));
            widened.push(hour);
        }
        widened.dedup();
        let hours = (from < to).then_some((from, to));
        let partly_gone = match hours {
            Some(hours) => tables.partly_gone(hours).await?,
            None => 0,
        };
        Ok(Self { coverage, hours, since, until, widened, partly_gone })
    }

    /// The rows before the hours, and those after them.
    fn selections(&self, questions: &Questions) -> Vec<Selection> {
        let selection = |since, until| Selection { since, until, ..questions.selection().clone() };
        let Some((from, to)) = self.hours else { return vec![selection(self.since, self.until)] };
        let at = |hour| moment(hour).map(SystemTime::from);
        vec![selection(self.since, at(from)), selection(at(to), self.until)]
    }
}

fn hour_of(time: SystemTime) -> i64 {
    Timestamp::try_from(time).map_or(i64::MIN, hours)
}

/// The first hour that does not begin before this moment.
fn first_whole(time: Option<SystemTime>) -> Option<i64> {
    let hour = hour_of(time?);
    let begins = moment(hour).map(SystemTime::from);
    Some(if begins == time { hour } else { hour + 1 })
}
