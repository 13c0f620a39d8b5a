//! The rows that a table does not take, in findings that say what to do.

use std::fmt::Write as _;

use sqlx::postgres::PgConnection;

use super::super::classify::StepError;
use super::all;
use super::trials::Sample;
use crate::finding::{Checkup, Health};
use crate::store::table_name::quoted;
use crate::store::{TableName, Trial};

/// The columns of each constraint, also of the domains.
const CONSTRAINTS: &str = "SELECT k.conname::text, ARRAY(SELECT a.attname::text FROM pg_attribute a \
     WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) \
     OR a.attrelid = to_regclass('observability_events') AND a.atttypid = k.contypid AND NOT a.attisdropped) FROM pg_constraint k \
     WHERE k.conrelid = to_regclass('observability_events') OR k.conrelid IN \
     (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('observability_events')) OR k.contypid IN \
     (SELECT atttypid FROM pg_attribute WHERE attrelid = to_regclass('observability_events') AND NOT attisdropped)";
const TRIGGERS: &str = "SELECT CASE WHEN t.tgtype & 64 <> 0 THEN format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) \
     ELSE format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname) END, p.proname::text, t.tgtype & 66 <> 0, p.prosrc ~ '\\mcontext\\M' FROM pg_trigger t \
     JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = to_regclass('observability_events') \
     AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 <> 0 ORDER BY 1";
/// How to end a trigger for rows that come, its function, whether it sees a row before the table does, and whether it names the
/// context.
type Trigger = (String, String, bool, bool);

/// A row that the table rejects.
pub(super) struct RejectedTrial {
    pub(super) trial: Trial,
    pub(super) error: StepError,
    /// Whether the row was without the fields that fill columns, and is taken with them.
    pub(super) is_bare: bool,
    /// Whether the row is taken without the fields that fill columns.
    pub(super) is_bare_taken: bool,
}

/// All that a table does not take.
pub(super) struct Rejections<'a> {
    name: &'a TableName,
    trials: &'a [Trial],
    rejected: Vec<RejectedTrial>,
    /// Fields that a row has to have, with their columns.
    needed: Vec<(String, String)>,
    /// Rows that are gone without an error, and whether someone has looked.
    left_out: Vec<(Trial, bool)>,
    constraints: Vec<(String, Vec<String>)>,
    triggers: Vec<Trigger>,
}

/// The line about a rejected row, after its event type.
struct RejectionLine {
    health: Health,
    text: String,
    /// Rows with the same one share a line.
    cause: String,
    /// The message, if the row is rejected for a value that is made up.
    guess: Option<String>,
    /// The columns whose values a rule can change.
    changeable: Vec<&'static str>,
}

impl<'a> Rejections<'a> {
    pub(super) fn new(name: &'a TableName, trials: &'a [Trial]) -> Self {
        let (rejected, needed, left_out) = Default::default();
        let (constraints, triggers) = Default::default();
        Self { name, trials, rejected, needed, left_out, constraints, triggers }
    }

    pub(super) fn add(&mut self, rejection: RejectedTrial) {
        self.rejected.push(rejection);
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
        self.rejected.last().is_some_and(|rejection| rejection.error.is_passing())
    }

    /// Looks for what the remedies name.
    pub(super) async fn look(&mut self, connection: &mut PgConnection) -> Result<(), StepError> {
        self.constraints = all(connection, self.name, CONSTRAINTS).await?;
        self.triggers = all(connection, self.name, TRIGGERS).await?;
        Ok(())
    }

    pub(super) fn note(&self, samples: &[Sample], checkup: &mut Checkup) {
        let rejected: Vec<_> = self.rejected.iter().map(|rejection| self.judge(rejection, samples)).collect();
        if let Some(first) = rejected.first()
            && (rejected.len() == self.trials.len() || self.is_stopped())
            && rejected.iter().all(|other| other.is_as(first))
            && first.health != Health::Warning
        {
            let error = &self.rejected[0].error;
            let topic = if error.is_of_rights() { "rights" } else { "table" };
            let all = if first.health == Health::Wrong { "all rows" } else { "" };
            let change = first.change(self.rejected.iter().map(|rejection| &rejection.trial));
            return checkup.note(topic, first.health, format!("{all}{}{change}", first.text));
        }
        if !rejected.iter().any(|verdict| verdict.health == Health::Wrong) && self.left_out.is_empty() {
            checkup.ok("table", format!("{} has the columns and keys that the rows need", self.name));
            checkup.ok(
                "rights",
                format!(
                    "the role may insert; rows of each event type, source and severity were tried and taken back: {}",
                    self.trials.len()
                ),
            );
        }
        for (at, verdict) in rejected.iter().enumerate() {
            if !rejected[..at].iter().any(|earlier| earlier.is_as(verdict)) && !verdict.is_told_by(&rejected)
            {
                let same = rejected.iter().zip(&self.rejected).filter(|(other, _)| other.is_as(verdict));
                let same: Vec<_> = same.map(|(_, rejection)| rejection.trial.clone()).collect();
                let labels = Trial::labels(&same, self.trials);
                let text = format!("rows of {labels}{}{}", verdict.text, verdict.change(&same));
                checkup.note("constraints", verdict.health, text);
            }
        }
        self.note_needed(checkup);
        self.note_left_out(checkup);
    }

    fn judge(&self, rejection: &RejectedTrial, samples: &[Sample]) -> RejectionLine {
        let RejectedTrial { trial, error, is_bare, .. } = rejection;
        let said = self.name.in_message(&error.to_string());
        if error.is_passing() {
            return RejectionLine::new(Health::Unknown, said);
        }
        let columns = self.columns_of(error);
        let guesses = guesses(trial, samples, *is_bare);
        let guessed = guessed(rejection, &guesses, &columns, samples, &said);
        if *is_bare {
            let text = format!(" are rejected if they lack the fields of \"columns\": {said}");
            return RejectionLine::new(Health::Warning, text);
        }
        if !guessed.is_empty() {
            return made_up(&guessed, said);
        }
        let triggers = || {
            let fails = |(_, function, ..): &&Trigger| error.place().contains(&format!("{function}("));
            self.triggers.iter().filter(fails)
        };
        let reads_context = error.is_raised() && triggers().any(|(.., names_context)| *names_context);
        // Of the context only the constants are known.
        if !trial.is_whole && (reads_context || columns.iter().any(|column| column == "context")) {
            let text = format!(
                " are rejected without the fields of their calls: {said}: see whether the real rows pass"
            );
            return RejectionLine::new(Health::Warning, text);
        }
        let ends: String = triggers().map(|(end, ..)| format!(": {end}")).collect();
        let mut verdict = RejectionLine::new(Health::Wrong, format!(" are rejected: {said}{ends}"));
        verdict.cause = error.of_function().unwrap_or(verdict.cause);
        let is_one = |column: &&str| columns.iter().any(|other| other == column);
        verdict.changeable = ["event_type", "source", "severity"].into_iter().filter(is_one).collect();
        verdict
    }

    /// The columns that the error is about.
    fn columns_of(&self, error: &StepError) -> Vec<String> {
        let constraint = self.constraints.iter().find(|(name, _)| Some(name.as_str()) == error.constraint());
        match constraint {
            Some((_, columns)) => columns.clone(),
            None => error.suspects().map(str::to_owned).collect(),
        }
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
            let triggers = self.triggers.iter().filter(|(_, _, is_before, _)| *is_before);
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

impl RejectionLine {
    fn new(health: Health, text: String) -> Self {
        Self { health, cause: text.clone(), text, guess: None, changeable: Vec::new() }
    }

    fn is_as(&self, other: &Self) -> bool {
        (self.health, &self.cause) == (other.health, &other.cause)
    }

    /// Whether the same remedy is in a line about rows that are no guess.
    fn is_told_by(&self, others: &[Self]) -> bool {
        let is_told = |guess: &String| {
            others.iter().any(|other| other.health == Health::Wrong && other.text.contains(guess))
        };
        self.guess.as_ref().is_some_and(is_told)
    }

    /// The other remedy, where rules of the user make some of these rows.
    fn change<'a>(&self, trials: impl IntoIterator<Item = &'a Trial>) -> String {
        if self.changeable.is_empty() || !trials.into_iter().any(|trial| trial.is_of_own_rule) {
            return String::new();
        }
        format!(", or change the {} in their rules", self.changeable.join(" and the "))
    }
}

fn made_up(guessed: &[&(String, String)], said: String) -> RejectionLine {
    let values: Vec<_> = guessed.iter().map(|(column, value)| format!("{column} {value:?}")).collect();
    let text = format!(
        " are rejected with the value {}, which is made up: {said}: see whether the real values pass",
        values.join(", ")
    );
    RejectionLine { guess: Some(said), ..RejectionLine::new(Health::Warning, text) }
}

/// The values among these that are made up, and that the error is about.
fn guessed<'a>(
    rejection: &RejectedTrial,
    guesses: &'a [(String, String)],
    columns: &[String],
    samples: &[Sample],
    said: &str,
) -> Vec<&'a (String, String)> {
    let of_columns: Vec<_> =
        guesses.iter().filter(|(column, _)| columns.iter().any(|other| other == column)).collect();
    if !of_columns.is_empty() || !rejection.error.is_of_type() {
        return of_columns;
    }
    let of_fields = |column: &str| samples.iter().any(|sample| sample.column == column);
    let is_one = |(column, value): &&(String, String)| {
        (rejection.is_bare_taken && of_fields(column)) || said.contains(&format!("\"{value}\""))
    };
    guesses.iter().filter(is_one).collect()
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
