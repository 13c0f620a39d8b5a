//! Looks at the rows of the last day.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::super::classify::{Step, StepError};
use super::super::connect::statement;
use crate::finding::Checkup;
use crate::store::TableName;

const MAY_READ: &str =
    "SELECT COALESCE(has_table_privilege(to_regclass('observability_events'), 'SELECT'), false)";
/// Rows may be ahead of the clock of the server by as much as the clocks may differ.
const TRAFFIC: &str = "SELECT event_type::text, count(*) FILTER (WHERE created_at > now() - interval '1 hour' AND NOT is_ahead), \
     count(*) FILTER (WHERE NOT is_ahead), \
     COALESCE(to_char(max(created_at) FILTER (WHERE NOT is_ahead) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), ''), \
     COALESCE(sum(pg_column_size(t.*)) FILTER (WHERE NOT is_ahead), 0)::bigint, count(*) FILTER (WHERE is_ahead), \
     to_char(max(created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
     FROM observability_events t, LATERAL (SELECT t.created_at > now() + interval '2 seconds' AS is_ahead) ahead \
     WHERE created_at > now() - interval '1 day' GROUP BY event_type ORDER BY 3 DESC, 1 LIMIT 50";

/// An event type; its rows of the last hour and day, the time of the last one, and the bytes of the day; then the rows of the
/// future, and the time of the last one of all.
type PostgresTraffic = (String, i64, i64, String, i64, i64, String);

pub(super) async fn look(
    connection: &mut PgConnection,
    name: &TableName,
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let sql = |text| AssertSqlSafe(name.in_sql(text).into_owned());
    let may_read = sqlx::query_scalar(sql(MAY_READ)).persistent(false).fetch_one(&mut *connection);
    if !statement::<bool>(Step::Look, may_read).await? {
        checkup.ok("rows", "not looked at: the role may not read, and the ledger need not");
        return Ok(());
    }
    let found = sqlx::query_as(sql(TRAFFIC)).persistent(false).fetch_all(&mut *connection);
    let found: Vec<PostgresTraffic> = statement(Step::Read, found).await?;
    let rows: i64 = found.iter().map(|(_, _, day, ..)| day).sum();
    if rows == 0 {
        checkup.ok("rows", "none in the last 24 hours");
    } else {
        let bytes: i64 = found.iter().map(|(_, _, _, _, bytes, ..)| bytes).sum();
        let text = format!("{rows} in the last 24 hours, {:.1} MB a day without indexes", bytes as f64 / 1e6);
        checkup.ok("rows", text);
    }
    for (event_type, hour, day, last, _, ahead, last_ahead) in found {
        if day > 0 {
            let text =
                format!("{event_type:?}: {hour} in the last hour, {day} in the last 24, the last at {last}");
            checkup.ok("rows", text);
        }
        if ahead > 0 {
            checkup.note_ahead(&event_type, ahead, &last_ahead);
        }
    }
    Ok(())
}
