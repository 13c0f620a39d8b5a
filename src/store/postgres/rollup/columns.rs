//! The columns of the figures, in the order of the statements.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::Bound;
use crate::store::rolled::RolledCell;

pub(super) fn bind_cells(query: Bound, numbers: Vec<i64>, cells: &[RolledCell]) -> Bound {
    query
        .bind(column(cells, |cell| cell.hour))
        .bind(numbers)
        .bind(column(cells, |cell| cell.event_type.clone()))
        .bind(column(cells, |cell| cell.groups.clone()))
        .bind(column(cells, |cell| cell.result.clone()))
        .bind(column(cells, |cell| cell.definition.clone()))
        .bind(column(cells, |cell| cell.calls))
        .bind(column(cells, |cell| cell.succeeded))
        .bind(column(cells, |cell| cell.failed))
        .bind(column(cells, |cell| cell.unreadable))
        .bind(column(cells, |cell| cell.first))
        .bind(column(cells, |cell| cell.last))
        .bind(column(cells, |cell| cell.timed))
        .bind(column(cells, |cell| cell.duration_sum_ms))
        .bind(column(cells, |cell| cell.duration_max_ms))
        .bind(column(cells, |cell| cell.durations.clone()))
        .bind(column(cells, |cell| cell.units.clone()))
        .bind(column(cells, |cell| cell.details.clone()))
}

fn column<T>(cells: &[RolledCell], value: impl Fn(&RolledCell) -> T) -> Vec<T> {
    cells.iter().map(value).collect()
}

pub(super) fn cell_of(row: &PgRow) -> Result<RolledCell, sqlx::Error> {
    Ok(RolledCell {
        hour: row.try_get(0)?,
        event_type: row.try_get(1)?,
        groups: row.try_get(2)?,
        result: row.try_get(3)?,
        definition: row.try_get(4)?,
        calls: row.try_get(5)?,
        succeeded: row.try_get(6)?,
        failed: row.try_get(7)?,
        unreadable: row.try_get(8)?,
        first: row.try_get(9)?,
        last: row.try_get(10)?,
        timed: row.try_get(11)?,
        duration_sum_ms: row.try_get(12)?,
        duration_max_ms: row.try_get(13)?,
        durations: row.try_get(14)?,
        units: row.try_get(15)?,
        details: row.try_get(16)?,
    })
}
