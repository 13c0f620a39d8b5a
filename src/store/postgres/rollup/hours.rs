//! The states of hours, and their figures.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;

use super::columns::cell_of;
use super::{RollupTables, moment, number, period};
use crate::error::Error;
use crate::store::postgres::classify::{Step, StepError};
use crate::store::postgres::connect::within;
use crate::store::postgres::read::ROW_TIMEOUT;
use crate::store::read::next;
use crate::store::rolled::{Coverage, HourState, HourTotal, Making, RolledCell};

/// A time as microseconds since 1970.
fn microseconds(time: &str) -> String {
    format!("(extract(epoch FROM {time}) * 1000000)::bigint")
}

/// The rows of an hour may come a little after its end.
const GRACE: &str = "5 minutes";

impl RollupTables {
    /// How the figures were made of the last hour whose rows are all there.
    pub(crate) async fn making(&mut self) -> Result<Option<Making>, Error> {
        let sql = format!(
            "SELECT keys, definition FROM {} WHERE live = rows ORDER BY hour DESC LIMIT 1",
            self.hours.quoted()
        );
        let rows = self.ask(Step::Rollup, &sql, |query| query).await?;
        let making = |row| Ok(Making { keys: self.value(row, 0)?, definition: self.value(row, 1)? });
        rows.first().map(making).transpose()
    }

    /// The hours that are rolled up; `None` for none.
    pub(crate) async fn coverage(&mut self) -> Result<Option<Coverage>, Error> {
        let sql = format!(
            "SELECT {}, {}, (extract(epoch FROM max(rolled_at)) * 1000000)::bigint FROM {}",
            number("min(hour)"),
            number("max(hour)"),
            self.hours.quoted()
        );
        let rows = self.ask(Step::Rollup, &sql, |query| query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let [from, last, at] = [0, 1, 2].map(|place| self.value::<Option<i64>>(row, place));
        let coverage = from?.zip(last?).zip(at?);
        Ok(coverage.map(|((from, last), at)| Coverage { from, until: last + 1, at }))
    }

    /// The past hours from `since` on (`None`: all) whose number of rows is another one than when they were looked at, or
    /// all of them; each with its number of rows, in ascending order. Rows from before the year 1 are read one by one: the texts of
    /// such times differ between programs.
    pub(crate) async fn changed(&mut self, since: Option<i64>, all: bool) -> Result<Vec<(i64, i64)>, Error> {
        let sql = format!(
            "SELECT {hour}, COALESCE(of_now.rows, 0) \
             FROM (SELECT date_trunc('hour', created_at::timestamptz) AS hour, count(*) AS rows FROM {events} \
             WHERE created_at::timestamptz >= '0001-01-01Z' AND created_at::timestamptz >= {since} \
             AND created_at::timestamptz < date_trunc('hour', now() - interval '{GRACE}') GROUP BY 1) of_now \
             FULL JOIN (SELECT hour, live FROM {hours} WHERE hour >= {since}) of_then USING (hour) \
             WHERE $2 OR COALESCE(of_now.rows, 0) IS DISTINCT FROM of_then.live ORDER BY hour",
            hour = number("hour"),
            since = format!("COALESCE({}, '-infinity')", moment("$1::bigint", "hour")),
            events = self.events.quoted(),
            hours = self.hours.quoted(),
        );
        let rows = self.ask(Step::Read, &sql, |query| query.bind(since).bind(all)).await?;
        rows.iter().map(|row| Ok((self.value(row, 0)?, self.value(row, 1)?))).collect()
    }

    /// The hour of the server's clock so many days ago.
    pub(crate) async fn days_ago(&mut self, days: i64) -> Result<i64, Error> {
        let sql = format!("SELECT {}", number("(now() - $1::bigint * interval '1 day')"));
        let rows = self.ask(Step::Rollup, &sql, |query| query.bind(days)).await?;
        rows.first().map_or(Ok(i64::MIN), |row| self.value(row, 0))
    }

    /// The states of the hours of this period. Call it within a transaction.
    pub(crate) async fn states(&mut self, from: i64, until: i64) -> Result<BTreeMap<i64, HourState>, Error> {
        let sql =
            format!("SELECT {}, rows, live FROM {} WHERE {}", number("hour"), self.hours.quoted(), period());
        let rows = self.run(Step::Rollup, &sql, |query| query.bind(from).bind(until)).await?;
        let state = |row| {
            let state = HourState { rows: self.value(row, 1)?, live: self.value(row, 2)? };
            Ok((self.value(row, 0)?, state))
        };
        rows.iter().map(state).collect()
    }

    /// The calls in the figures of this period. Call it within a transaction.
    pub(crate) async fn totals(&mut self, from: i64, until: i64) -> Result<Vec<HourTotal>, Error> {
        let sql = format!(
            "SELECT {}, event_type, sum(calls)::bigint, {}, {} FROM {} WHERE {} GROUP BY hour, event_type",
            number("hour"),
            microseconds("min(first_at)"),
            microseconds("max(last_at)"),
            self.cells.quoted(),
            period(),
        );
        let rows = self.run(Step::Rollup, &sql, |query| query.bind(from).bind(until)).await?;
        let total = |row| {
            let [first, last] = [3, 4].map(|place| self.value::<Option<i64>>(row, place));
            Ok(HourTotal {
                hour: self.value(row, 0)?,
                event_type: self.value(row, 1)?,
                calls: self.value(row, 2)?,
                ends: first?.zip(last?),
            })
        };
        rows.iter().map(total).collect()
    }

    /// Whether rows of this hour are gone that its figures count.
    pub(crate) async fn has_lost_rows(&mut self, hour: i64) -> Result<bool, Error> {
        let sql = format!(
            "SELECT h.rows > (SELECT count(*) FROM {} WHERE created_at::timestamptz >= {from} \
             AND created_at::timestamptz < {from} + interval '1 hour') FROM {} h WHERE h.hour = {from}",
            self.events.quoted(),
            self.hours.quoted(),
            from = moment("$1::bigint", "hour"),
        );
        let rows = self.ask(Step::Read, &sql, |query| query.bind(hour)).await?;
        rows.first().map_or(Ok(false), |row| self.value(row, 0))
    }

    /// How many hours of this period have lost a part of their rows: late rows of them are in no figure.
    pub(crate) async fn partly_gone(&mut self, (from, until): (i64, i64)) -> Result<i64, Error> {
        let sql = format!(
            "SELECT count(*) FROM {} WHERE {} AND live > 0 AND live < rows",
            self.hours.quoted(),
            period()
        );
        let rows = self.ask(Step::Rollup, &sql, |query| query.bind(from).bind(until)).await?;
        rows.first().map_or(Ok(0), |row| self.value(row, 0))
    }

    /// Passes the figures of this period to `each`.
    pub(crate) async fn cells(
        &mut self,
        (from, until): (i64, i64),
        event_types: Option<Vec<String>>,
        each: &mut (dyn FnMut(RolledCell) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let sql = format!(
            "SELECT {}, event_type, groups::text, result, definition, calls, succeeded, failed, unreadable, {}, {}, \
             timed, duration_sum_ms, duration_max_ms, durations, units, details::text FROM {} \
             WHERE {} AND ($3::text[] IS NULL OR event_type = ANY($3))",
            number("hour"),
            microseconds("first_at"),
            microseconds("last_at"),
            self.cells.quoted(),
            period(),
        );
        self.begin(Step::Rollup).await?;
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let mut rows = query.bind(from).bind(until).bind(event_types).fetch(&mut self.connection);
        let about = |error| Error::from(error).reworded(|message| self.events.in_message(message));
        while let Some(row) = within(Step::Rollup, ROW_TIMEOUT, next(&mut rows)).await.map_err(about)? {
            each(cell_of(&row).map_err(|error| about(StepError::sql(Step::Rollup, error)))?)?;
        }
        drop(rows);
        self.commit().await
    }
}
