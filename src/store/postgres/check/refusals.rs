//! What a table does not take, in lines that say what to do.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::super::classify::{Step, StepError};
use super::super::connect::statement;
use super::trials::Sample;
use crate::finding::{Checkup, Health};
use crate::store::table_name::quoted;
use crate::store::{TableName, Trial};

/// The columns of each constraint.
const CONSTRAINTS: &str = "SELECT k.conname::text, ARRAY(SELECT a.attname::text FROM pg_attribute a \
     WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)) FROM pg_constraint k \
     WHERE k.conrelid = to_regclass('observability_events') OR k.conrelid IN \
     (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('observability_events'))";
/// How to end the triggers for rows that come, their functions, and whether they see a row before the table does.
const TRIGGERS: &str = "SELECT CASE WHEN t.tgtype & 64 <> 0 THEN format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) \
     ELSE format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname) END, p.proname::text, t.tgtype & 66 <> 0 FROM pg_trigger t \
     JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = to_regclass('observability_events') \
     AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 <> 0 ORDER BY 1";
/// The columns that take only short texts, or the words of an enum.
const NARROW: &str = "SELECT a.attname::text, CASE WHEN t.typname IN ('varchar', 'bpchar') THEN a.atttypmod - 4 END, \
     CASE WHEN t.typtype = 'e' THEN format_type(t.oid, -1) END \
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = to_regclass('observability_events') \
     AND a.attnum > 0 AND NOT a.attisdropped AND (t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 OR t.typtype = 'e')";

/// A row that the table rejects.
pub(super) struct Refusal {
    pub(super) trial: Trial,
    pub(super) error: StepError,
    /// Whether the row was without the fields that fill columns, and is taken with them.
    pub(super) is_bare: bool,
    /// Whether the row is taken without the fields that fill columns.
    pub(super) is_bare_taken: bool,
}

/// All that a table does not take.
pub(super) struct Refusals<'a> {
    name: &'a TableName,
    trials: &'a [Trial],
    refused: Vec<Refusal>,
    /// Fields that a row has to have, with their columns.
    needed: Vec<(String, String)>,
    /// Rows that are gone without an error, and whether someone has looked.
    left_out: Vec<(Trial, bool)>,
    constraints: Vec<(String, Vec<String>)>,
    triggers: Vec<(String, String, bool)>,
    narrow: Vec<(String, Option<i32>, Option<String>)>,
}

impl<'a> Refusals<'a> {
    pub(super) fn new(name: &'a TableName, trials: &'a [Trial]) -> Self {
        let (refused, needed, left_out) = Default::default();
        let (constraints, triggers, narrow) = Default::default();
        Self { name, trials, refused, needed, left_out, constraints, triggers, narrow }
    }

    pub(super) fn add(&mut self, refusal: Refusal) {
        self.refused.push(refusal);
    }

    pub(super) fn needs(&mut self, key: &str, column: &str) {
        let needed = (key.to_owned(), column.to_owned());
        if !self.needed.contains(&needed) {
            self.needed.push(needed);
        }
    }

    pub(super) fn left_out(&mut self, trial: &Trial, is_seen: bool) {
        self.left_out.push((trial.clone(), is_seen));
    }

    /// Whether other rows would wait for the same.
    pub(super) fn is_stopped(&self) -> bool {
        self.refused.last().is_some_and(|refusal| refusal.error.is_passing())
    }

    /// Looks for what the remedies name.
    pub(super) async fn look(&mut self, connection: &mut PgConnection) -> Result<(), StepError> {
        let sql = |text| AssertSqlSafe(self.name.in_sql(text).into_owned());
        let found = sqlx::query_as(sql(CONSTRAINTS)).persistent(false).fetch_all(&mut *connection);
        self.constraints = statement(Step::Look, found).await?;
        let found = sqlx::query_as(sql(TRIGGERS)).persistent(false).fetch_all(&mut *connection);
        self.triggers = statement(Step::Look, found).await?;
        let found = sqlx::query_as(sql(NARROW)).persistent(false).fetch_all(&mut *connection);
        self.narrow = statement(Step::Look, found).await?;
        Ok(())
    }

    pub(super) fn note(&self, samples: &[Sample], checkup: &mut Checkup) {
        let refused: Vec<_> = self.refused.iter().map(|refusal| self.judge(refusal, samples)).collect();
        if let Some(first) = refused.first()
            && (refused.len() == self.trials.len() || self.is_stopped())
            && refused.iter().all(|other| other == first)
            && first.0 != Health::Warning
        {
            let error = &self.refused[0].error;
            let topic = if error.is_of_rights() { "rights" } else { "table" };
            let all = if first.0 == Health::Wrong { "all rows" } else { "" };
            return checkup.note(topic, first.0, format!("{all}{}", first.1));
        }
        if !refused.iter().any(|(health, _)| *health == Health::Wrong) && self.left_out.is_empty() {
            checkup.ok("table", format!("{} has the columns and keys that the rows need", self.name));
            checkup.ok(
                "rights",
                format!(
                    "the role may insert; rows of each event type, source and severity were tried and taken back: {}",
                    self.trials.len()
                ),
            );
        }
        for (at, (health, text)) in refused.iter().enumerate() {
            if !refused[..at].contains(&(*health, text.clone())) {
                let same = refused.iter().zip(&self.refused).filter(|(other, _)| other.1 == *text);
                let same: Vec<_> = same.map(|(_, refusal)| refusal.trial.clone()).collect();
                let labels = Trial::labels(&same, self.trials);
                checkup.note("constraints", *health, format!("rows of {labels}{text}"));
            }
        }
        self.note_needed(checkup);
        self.note_left_out(checkup);
    }

    /// The state, and the text after the event types.
    fn judge(&self, refusal: &Refusal, samples: &[Sample]) -> (Health, String) {
        let Refusal { trial, error, is_bare, is_bare_taken } = refusal;
        let said = self.name.in_message(&error.to_string());
        if error.is_passing() {
            return (Health::Unknown, said);
        }
        let (columns, more) = self.columns_of(error, trial);
        let guesses = guesses(trial, samples, *is_bare);
        let is_guessed = |column: &str| columns.iter().any(|other| other == column);
        let mut guessed: Vec<_> = guesses.iter().filter(|(column, _)| is_guessed(column)).collect();
        if guessed.is_empty() && error.is_of_type() {
            let of_fields = |column: &str| samples.iter().any(|sample| sample.column == column);
            guessed = guesses
                .iter()
                .filter(|(column, value)| {
                    (*is_bare_taken && of_fields(column)) || said.contains(&format!("\"{value}\""))
                })
                .collect();
        }
        if *is_bare {
            return (
                Health::Warning,
                format!(" are rejected if they lack the fields of \"columns\": {said}"),
            );
        }
        if !guessed.is_empty() {
            let values: Vec<_> =
                guessed.iter().map(|(column, value)| format!("{column} {value:?}")).collect();
            let values = values.join(", ");
            let text = format!(
                " are rejected with the value {values}, which is made up: {said}: see whether the real values pass"
            );
            return (Health::Warning, text);
        }
        // Of the context only the constants are known.
        if !trial.is_whole && is_guessed("context") {
            let text = format!(
                " are rejected without the fields of their calls: {said}: see whether the real rows pass"
            );
            return (Health::Warning, text);
        }
        let mut text = format!(" are rejected: {said}{more}");
        for key in ["event_type", "source", "severity"].into_iter().filter(|column| is_guessed(column)) {
            write!(text, ", or change the {key} in their rules").ok();
        }
        (Health::Wrong, text)
    }

    /// The columns that the error is about, and the statements that end it, as far as the error itself does not know them.
    fn columns_of(&self, error: &StepError, trial: &Trial) -> (Vec<String>, String) {
        let table = self.name.quoted();
        if let Some((_, columns)) =
            self.constraints.iter().find(|(name, _)| Some(name.as_str()) == error.constraint())
        {
            return (columns.clone(), String::new());
        }
        let fails =
            |(_, function, _): &&(String, String, bool)| error.place().contains(&format!("{function}("));
        let disable = self.triggers.iter().filter(fails).map(|(end, ..)| format!(": {end}"));
        let mut more: String = disable.collect();
        let mut columns = Vec::new();
        for (column, length, kind) in self.narrow.iter().filter(|_| error.is_of_type()) {
            let Some(value) = value_of(trial, column) else { continue };
            let is_longer =
                length.is_some_and(|length| value.chars().count() > length.unsigned_abs() as usize);
            let is_unknown = error.to_string().contains(&format!("\"{value}\""));
            match kind {
                None if error.is_too_long() && is_longer => {
                    write!(more, ": ALTER TABLE {table} ALTER COLUMN {} TYPE text", quoted(column)).ok();
                }
                Some(kind) if is_unknown => {
                    write!(more, ": ALTER TYPE {kind} ADD VALUE '{}'", value.replace('\'', "''")).ok();
                }
                _ => continue,
            }
            columns.push(column.clone());
        }
        (columns, more)
    }

    fn note_needed(&self, checkup: &mut Checkup) {
        for (key, column) in &self.needed {
            let text = format!(
                "rows without the field {key:?} are rejected, because the column {column} is NOT NULL: let the owner run ALTER TABLE \
                 {} ALTER COLUMN {} DROP NOT NULL, or see that each row has the field",
                self.name.quoted(),
                quoted(column)
            );
            checkup.note("constraints", Health::Warning, text);
        }
    }

    fn note_left_out(&self, checkup: &mut Checkup) {
        for (is_seen, health) in [(true, Health::Wrong), (false, Health::Unknown)] {
            let left_out = self.left_out.iter().filter(|(_, seen)| *seen == is_seen);
            let left_out: Vec<_> = left_out.map(|(trial, _)| trial.clone()).collect();
            if left_out.is_empty() {
                continue;
            }
            let labels = Trial::labels(&left_out, self.trials);
            let mut text = format!("the table leaves out rows of {labels} and reports no error");
            if !is_seen {
                text += ", or puts them where this role may not look";
            }
            let triggers = self.triggers.iter().filter(|(.., is_before)| *is_before);
            let ends: Vec<_> = triggers.map(|(end, ..)| end.as_str()).collect();
            if ends.is_empty() {
                text += ": look for the rule or the view that does so, and drop it";
            } else {
                write!(
                    text,
                    ": correct the trigger that returns NULL, or let the owner run {}",
                    ends.join("; ")
                )
                .ok();
            }
            checkup.note("constraints", health, text);
        }
    }
}

fn value_of<'a>(trial: &'a Trial, column: &str) -> Option<&'a str> {
    match column {
        "event_type" => Some(&trial.row.event_type),
        "source" => Some(&trial.row.source),
        "severity" => Some(trial.row.severity.as_str()),
        _ => None,
    }
}

/// The columns of the row whose values are made up, with these.
fn guesses(trial: &Trial, samples: &[Sample], is_bare: bool) -> Vec<(String, String)> {
    let of_rule = trial
        .guessed
        .iter()
        .map(|column| ((*column).to_owned(), value_of(trial, column).unwrap_or_default().to_owned()));
    let samples = samples.iter().filter(|_| !is_bare);
    of_rule.chain(samples.map(|sample| (sample.column.clone(), sample.value.clone()))).collect()
}
