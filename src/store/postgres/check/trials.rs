//! Offers rows of every kind to the table, takes each back, and notes what the table does not take.

use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::super::classify::{Step, StepError};
use super::super::connect::{simple, statement};
use super::super::table::TableFound;
use super::super::{WriteError, insert};
use super::all;
use super::rejections::{RejectedTrial, Rejections};
use crate::columns::ColumnMap;
use crate::finding::Checkup;
use crate::row::Row;
use crate::store::{TableName, Trial};

/// A text for each column that its type takes.
const SAMPLES: &str = "SELECT a.attname::text, CASE \
     WHEN COALESCE(b.typtype, t.typtype) = 'e' THEN (SELECT e.enumlabel::text FROM pg_enum e \
     WHERE e.enumtypid = COALESCE(b.oid, t.oid) ORDER BY e.enumsortorder LIMIT 1) \
     WHEN COALESCE(b.typname, t.typname) = 'uuid' THEN '00000000-0000-4000-8000-000000000000' \
     WHEN COALESCE(b.typname, t.typname) IN ('json', 'jsonb') THEN '{}' \
     WHEN t.typcategory = 'N' THEN '1' WHEN t.typcategory = 'B' THEN 'true' WHEN t.typcategory = 'D' THEN 'now' \
     WHEN t.typcategory = 'T' THEN '1 s' WHEN t.typcategory = 'A' THEN '{}' WHEN t.typcategory = 'I' THEN '127.0.0.1' \
     ELSE 'x' END FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
     LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
     WHERE a.attrelid = to_regclass('observability_events') AND a.attnum > 0 AND NOT a.attisdropped";
const STORED: &str = "SELECT count(*) FROM observability_events WHERE id::text = ANY ($1)";

/// The fate of a row that the table is offered.
enum Answer {
    Taken,
    /// No error, and no row.
    LeftOut,
    /// The same, as far as a role that may not read can know.
    Unseen,
    Rejected(StepError),
}

/// A field that fills a column, with a value that the type of the column takes.
pub(super) struct Sample {
    key: String,
    pub(super) column: String,
    pub(super) value: String,
}

/// Offers rows to a table.
pub(super) struct Tester<'a> {
    connection: &'a mut PgConnection,
    name: &'a TableName,
    table: &'a TableFound,
    columns: &'a ColumnMap,
    samples: Vec<Sample>,
}

impl<'a> Tester<'a> {
    pub(super) async fn new(
        connection: &'a mut PgConnection,
        name: &'a TableName,
        table: &'a TableFound,
        columns: &'a ColumnMap,
    ) -> Result<Self, StepError> {
        let found: Vec<(String, String)> = all(connection, name, SAMPLES).await?;
        let value =
            |column: &str| found.iter().find(|(name, _)| name == column).map(|(_, value)| value.clone());
        let samples = columns.own().filter_map(|(key, column)| {
            Some(Sample { key: key.to_owned(), column: column.to_owned(), value: value(column)? })
        });
        let samples = samples.collect();
        Ok(Self { connection, name, table, columns, samples })
    }

    /// Notes what becomes of each row, with the fields that fill columns and without them.
    pub(super) async fn try_all(&mut self, trials: &[Trial], checkup: &mut Checkup) -> Result<(), StepError> {
        let full: Vec<Row> = trials.iter().map(|trial| self.with_fields(&trial.row)).collect();
        let bare: Vec<Row> =
            trials.iter().filter(|_| !self.samples.is_empty()).map(|trial| trial.row.clone()).collect();
        let all = [&*full, &bare].concat();
        let mut rejections = Rejections::new(self.name, trials);
        if !matches!(self.offer(&all).await?, Answer::Taken) {
            for (trial, row) in trials.iter().zip(full) {
                self.try_one(trial, row, &mut rejections).await?;
                if rejections.is_stopped() {
                    break;
                }
            }
            rejections.look(self.connection).await?;
        }
        rejections.note(&self.samples, checkup);
        Ok(())
    }

    async fn try_one(
        &mut self,
        trial: &Trial,
        full: Row,
        rejections: &mut Rejections<'_>,
    ) -> Result<(), StepError> {
        let full = self.offer_filling(full, rejections).await?;
        let bare = match full {
            Answer::Rejected(ref error) if error.is_passing() => None,
            _ if self.samples.is_empty() => None,
            _ => Some(self.offer_filling(trial.row.clone(), rejections).await?),
        };
        let is_bare_taken = matches!(bare, Some(Answer::Taken));
        match (full, bare) {
            (Answer::Rejected(error), _) => {
                rejections.add(RejectedTrial { trial: trial.clone(), error, is_bare: false, is_bare_taken })
            }
            (Answer::LeftOut, _) => rejections.left_out(trial, true),
            (Answer::Unseen, _) => rejections.left_out(trial, false),
            (Answer::Taken, Some(Answer::Rejected(error))) => {
                rejections.add(RejectedTrial { trial: trial.clone(), error, is_bare: true, is_bare_taken });
            }
            (Answer::Taken, _) => {}
        }
        Ok(())
    }

    /// Offers the row, with a value for each column that has to have one.
    async fn offer_filling(
        &mut self,
        mut row: Row,
        rejections: &mut Rejections<'_>,
    ) -> Result<Answer, StepError> {
        loop {
            match self.offer(std::slice::from_ref(&row)).await? {
                Answer::Rejected(error) if error.is_of_usual_reference() => return Ok(Answer::Taken),
                Answer::Rejected(error) => {
                    match error.null_column().and_then(|column| self.fill(&mut row, column)) {
                        Some(key) => rejections.needs(&key, error.null_column().unwrap_or_default()),
                        None => return Ok(Answer::Rejected(error)),
                    }
                }
                answer => return Ok(answer),
            }
        }
    }

    /// Fills the column, and returns the field that it is filled from, or `None` if the row fills it already or never.
    fn fill(&self, row: &mut Row, column: &str) -> Option<String> {
        let id = match column {
            "restaurant_id" => Some(&mut row.restaurant_id),
            "booking_id" => Some(&mut row.booking_id),
            _ => None,
        };
        if let Some(id) = id.filter(|id| id.is_none() && self.columns.has(column)) {
            *id = Some(row.id);
            return Some(column.to_owned());
        }
        let sample = self.samples.iter().find(|sample| sample.column == column)?;
        with_field(&mut row.context, sample).then(|| sample.key.clone())
    }

    fn with_fields(&self, row: &Row) -> Row {
        let mut row = row.clone();
        for sample in &self.samples {
            with_field(&mut row.context, sample);
        }
        row
    }

    /// Offers the rows and takes them back.
    async fn offer(&mut self, rows: &[Row]) -> Result<Answer, StepError> {
        simple(self.connection, Step::Insert, "SAVEPOINT ledger_check").await?;
        let answer = match self.insert(rows).await {
            Ok(answer) => answer,
            Err(error) if error.is_answer() => {
                Answer::Rejected(error.in_table(self.table, rows, self.columns))
            }
            Err(error) => return Err(error),
        };
        simple(self.connection, Step::Insert, "ROLLBACK TO SAVEPOINT ledger_check").await?;
        Ok(answer)
    }

    async fn insert(&mut self, rows: &[Row]) -> Result<Answer, StepError> {
        let taken = match insert(self.connection, &self.table.insert, rows, self.columns).await {
            Ok(taken) => taken,
            Err(WriteError::Step(error)) => return Err(error),
            // No clock goes that wrong.
            Err(WriteError::Row(_)) => return Ok(Answer::LeftOut),
        };
        // Keys that are checked at the end are checked now.
        simple(self.connection, Step::Rows, "SET CONSTRAINTS ALL IMMEDIATE").await?;
        if taken == rows.len() as u64 {
            return Ok(Answer::Taken);
        }
        // A trigger may have put them elsewhere, such as into a table that inherits from this one.
        let ids: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
        let sql = AssertSqlSafe(self.name.in_sql(STORED).into_owned());
        let stored = sqlx::query_scalar(sql).bind(ids).persistent(false).fetch_one(&mut *self.connection);
        match statement::<i64>(Step::Read, stored).await {
            Ok(stored) if stored.unsigned_abs() == rows.len() as u64 => Ok(Answer::Taken),
            Ok(_) => Ok(Answer::LeftOut),
            Err(error) if error.is_of_rights() => Ok(Answer::Unseen),
            Err(error) => Err(error),
        }
    }
}

/// Whether the context had no such field.
fn with_field(context: &mut String, sample: &Sample) -> bool {
    let mut fields: Map<String, Value> = serde_json::from_str(context).unwrap_or_default();
    if fields.contains_key(&sample.key) {
        return false;
    }
    fields.insert(sample.key.clone(), sample.value.clone().into());
    *context = Value::Object(fields).to_string();
    true
}
