//! Checks whether the file takes rows, without leaving one.

use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use super::{Sqlite, classify, run};
use crate::finding::{Checkup, Health};
use crate::row::Row;
use crate::store::{Failure, InsertError, Trial};

const INDEXES: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = ?1 \
     AND sql LIKE '%(event_type, created_at%'";
/// As for Postgres.
const TRAFFIC: &str = "SELECT event_type, count(*) FILTER (WHERE NOT is_ahead), COALESCE(max(created_at) FILTER (WHERE NOT is_ahead), ''), \
     COALESCE(sum(length(context)) FILTER (WHERE NOT is_ahead), 0), count(*) FILTER (WHERE is_ahead), max(created_at) \
     FROM (SELECT *, created_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+2 seconds') AS is_ahead FROM observability_events \
     WHERE created_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')) GROUP BY event_type ORDER BY 2 DESC LIMIT 50";

type SqliteTraffic = (String, i64, String, i64, i64, String);

impl Sqlite {
    /// As for Postgres.
    pub(crate) async fn check(&mut self, trials: &[Trial], checkup: &mut Checkup) {
        if let Err(error) = self.connection().await {
            return checkup
                .wrong("connection", classify::insert_error(&error).about(&self.table).to_string());
        }
        checkup.ok("connection", "the file is a SQLite database");
        let mut refused: Vec<(Health, String, Vec<Trial>)> = Vec::new();
        for trial in trials {
            let Err(error) = self.try_row(&trial.row).await else { continue };
            let error = classify::insert_error(&error).about(&self.table);
            if error.failure() != Failure::Quarantine {
                return checkup.wrong("table", error.to_string());
            }
            let (health, condition) = self.judge(trial, &error).await;
            let text = format!(" are rejected{condition}: {error}");
            match refused.iter_mut().find(|(other, known, _)| *other == health && *known == text) {
                Some((.., same)) => same.push(trial.clone()),
                None => refused.push((health, text, vec![trial.clone()])),
            }
        }
        if !refused.iter().any(|(health, ..)| *health == Health::Wrong) {
            let text = format!(
                "{} takes rows; rows of each event type, source and severity were tried and taken back: {}",
                self.table,
                trials.len()
            );
            checkup.ok("table", text);
        }
        for (health, text, of) in &refused {
            checkup.note("constraints", *health, format!("rows of {}{text}", Trial::labels(of, trials)));
        }
        if let Err(error) = self.look_around(checkup).await {
            checkup.unknown("database", self.table.in_message(&classify::not_read(&error)));
        }
    }

    /// How bad it is that the file rejects this row, and the condition if others may pass.
    async fn judge(&mut self, trial: &Trial, error: &InsertError) -> (Health, &'static str) {
        let has_fields = self.columns.own().next().is_some();
        if has_fields && self.try_row(&self.with_fields(&trial.row)).await.is_ok() {
            return (Health::Warning, " if they lack the fields of \"columns\"");
        }
        // SQLite names the condition, unless the constraint has a name.
        let is_check = error.to_string().contains("CHECK constraint failed: ");
        if !trial.is_whole && is_check && error.to_string().contains("context") {
            return (Health::Warning, " without the fields of their calls: see whether the real rows pass");
        }
        match trial.guessed.is_empty() {
            true => (Health::Wrong, ""),
            false => (Health::Warning, " if they have names such as these, which are made up"),
        }
    }

    /// With a value in each column that a field fills.
    fn with_fields(&self, row: &Row) -> Row {
        let mut fields: Map<String, Value> = serde_json::from_str(&row.context).unwrap_or_default();
        fields.extend(self.columns.own().map(|(key, _)| (key.to_owned(), 1.into())));
        Row { context: Value::Object(fields).to_string(), ..row.clone() }
    }

    async fn try_row(&mut self, row: &Row) -> Result<(), sqlx::Error> {
        let insert = AssertSqlSafe(self.insert_statement());
        let Ok(values) = self.values(row) else { return Ok(()) };
        let connection = self.connection().await?;
        run(connection, "BEGIN IMMEDIATE").await?;
        let query = values.into_iter().fold(sqlx::query(insert), |query, value| query.bind(value));
        let tried = query.execute(&mut *connection).await;
        // A trigger may have ended it.
        run(connection, "ROLLBACK").await.ok();
        tried.map(drop)
    }

    async fn look_around(&mut self, checkup: &mut Checkup) -> Result<(), sqlx::Error> {
        let (name, quoted) = (self.table.to_string(), self.table.quoted());
        let traffic = AssertSqlSafe(self.table.in_sql(TRAFFIC).into_owned());
        let connection = self.connection().await?;
        let indexes: i64 = sqlx::query_scalar(INDEXES).bind(&name).fetch_one(&mut *connection).await?;
        if indexes > 0 {
            checkup.ok("indexes", "reports find rows by event type and time");
        } else {
            let text = format!(
                "reports search the whole table: CREATE INDEX calls_idx ON {quoted} (event_type, created_at DESC)"
            );
            checkup.wrong("indexes", text);
        }
        let rows: Vec<SqliteTraffic> = sqlx::query_as(traffic).fetch_all(&mut *connection).await?;
        if rows.iter().all(|(_, day, ..)| *day == 0) {
            checkup.ok("rows", "none in the last 24 hours");
        }
        for (event_type, day, last, bytes, ahead, last_ahead) in rows {
            if day > 0 {
                let text =
                    format!("{event_type:?}: {day} in the last 24 hours ({bytes} bytes), the last at {last}");
                checkup.ok("rows", text);
            }
            if ahead > 0 {
                checkup.note_ahead(&event_type, ahead, &last_ahead);
            }
        }
        Ok(())
    }

    /// As for Postgres.
    pub(crate) async fn has_marked(&mut self, event_type: &str, mark: &str) -> Result<bool, String> {
        let find = "SELECT EXISTS (SELECT 1 FROM observability_events WHERE event_type = ?1 AND context LIKE '%' || ?2 || '%')";
        let find = AssertSqlSafe(self.table.in_sql(find).into_owned());
        let table = self.table.clone();
        let found = async {
            let connection = self.connection().await?;
            sqlx::query_scalar(find).bind(event_type).bind(mark).fetch_one(connection).await
        };
        found.await.map_err(|error: sqlx::Error| classify::insert_error(&error).about(&table).to_string())
    }
}
