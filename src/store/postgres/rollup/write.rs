//! Replaces the figures of hours, in one transaction, which no other run has meanwhile.

use std::collections::BTreeMap;

use super::columns::bind_cells;
use super::{RollupTables, moment, number};
use crate::error::Error;
use crate::store::postgres::classify::Step;
use crate::store::rolled::{FiguresChange, HourChange, Making, RolledCell};

/// Of two runs on the same table one gives up. The first number is arbitrary. The lock ends with the transaction, because a
/// pooler may give the next one another session.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(1380928588, to_regclass($1)::oid::int4)";

impl RollupTables {
    /// Begins a transaction, unless another run has one.
    pub(crate) async fn lock(&mut self) -> Result<(), Error> {
        self.begin(Step::Rollup).await?;
        let cells = self.cells.quoted();
        let rows = self.run(Step::Rollup, LOCK, |query| query.bind(cells)).await?;
        if rows.first().map_or(Ok(false), |row| self.value(row, 0))? {
            return Ok(());
        }
        Err(Error::database(format!(
            "another rollup of {} is running: wait for its end, or stop it",
            self.events
        )))
    }

    /// Writes what became of hours, and their new figures.
    pub(crate) async fn put(
        &mut self,
        changes: &[HourChange],
        cells: &[RolledCell],
        making: &Making,
    ) -> Result<(), Error> {
        let replaced = hours(changes, FiguresChange::Replace);
        let delete = format!(
            "DELETE FROM {} WHERE hour IN (SELECT {} FROM unnest($1::bigint[]) AS h (hour))",
            self.cells.quoted(),
            moment("h.hour", "hour")
        );
        self.run(Step::Rollup, &delete, |query| query.bind(replaced)).await?;
        self.insert(changes, cells).await?;
        self.note(changes, making).await
    }

    async fn insert(&mut self, changes: &[HourChange], cells: &[RolledCell]) -> Result<(), Error> {
        let insert = format!(
            "INSERT INTO {} (hour, number, event_type, groups, result, definition, calls, succeeded, failed, \
             unreadable, first_at, last_at, timed, duration_sum_ms, duration_max_ms, durations, units, details) \
             SELECT {}, c.number, c.event_type, c.groups::jsonb, c.result, c.definition, c.calls, c.succeeded, \
             c.failed, c.unreadable, {}, {}, c.timed, c.sum, c.max, c.durations, c.units, c.details::jsonb \
             FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], \
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], \
             $14::float8[], $15::float8[], $16::bytea[], $17::bytea[], $18::text[]) AS c (hour, number, event_type, groups, \
             result, definition, calls, succeeded, failed, unreadable, first, last, timed, sum, max, durations, \
             units, details)",
            self.cells.quoted(),
            moment("c.hour", "hour"),
            moment("c.first", "microsecond"),
            moment("c.last", "microsecond"),
        );
        let mut numbers = BTreeMap::new();
        for change in changes.iter().filter(|change| change.figures == FiguresChange::Add) {
            // There are no more figures than rows.
            numbers.insert(change.hour, change.state.rows);
        }
        let number = |cell: &RolledCell| {
            let number = numbers.entry(cell.hour).or_default();
            *number += 1;
            *number
        };
        let numbers: Vec<i64> = cells.iter().map(number).collect();
        self.run(Step::Rollup, &insert, |query| bind_cells(query, numbers, cells)).await.map(drop)
    }

    async fn note(&mut self, changes: &[HourChange], making: &Making) -> Result<(), Error> {
        let is_kept = format!("{} = ANY($6::bigint[])", number("h.hour"));
        let note = format!(
            "INSERT INTO {} AS h (hour, rows, live, rolled_at, keys, definition) \
             SELECT {}, c.rows, c.live, now(), $4::text, $5::text \
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS c (hour, rows, live) \
             ON CONFLICT (hour) DO UPDATE SET rows = EXCLUDED.rows, live = EXCLUDED.live, \
             rolled_at = EXCLUDED.rolled_at, \
             keys = CASE WHEN {is_kept} THEN h.keys ELSE EXCLUDED.keys END, \
             definition = CASE WHEN {is_kept} THEN h.definition ELSE EXCLUDED.definition END",
            self.hours.quoted(),
            moment("c.hour", "hour"),
        );
        let column = |value: fn(&HourChange) -> i64| changes.iter().map(value).collect::<Vec<i64>>();
        let (all, rows) = (column(|one| one.hour), column(|one| one.state.rows));
        let (live, kept) = (column(|one| one.state.live), hours(changes, FiguresChange::Keep));
        let Making { keys, definition } = making.clone();
        let noted = self.run(Step::Rollup, &note, |query| {
            query.bind(all).bind(rows).bind(live).bind(keys).bind(definition).bind(kept)
        });
        noted.await.map(drop)
    }
}

fn hours(changes: &[HourChange], figures: FiguresChange) -> Vec<i64> {
    let of = changes.iter().filter(|change| change.figures == figures);
    of.map(|change| change.hour).collect()
}
