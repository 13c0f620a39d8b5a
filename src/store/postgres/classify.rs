//! Errors of Postgres: the writer's next step, and the message.
//!
//! Only the server's messages about statements are passed on. Its messages about connections and logins name the user, and
//! a pooler may send such a message late.

mod remedy;
mod tls;

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use self::remedy::remedy;
use self::tls::{OR_PREFER, is_version_1, no_tls, refused_certificate};
use super::suspects::{Suspect, suspects};
use super::table::TableFound;
use crate::columns::ColumnMap;
use crate::escape::visible;
use crate::row::Row;
use crate::store::{Failure, InsertError};

const UNREACHED: &str =
    "; check the host and the port of the URL, that the server runs, and that no firewall is between";

/// The step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Create,
    /// Begin.
    Insert,
    /// Look at the table.
    Look,
    /// Send the rows.
    Rows,
    /// Keys and triggers may come as late as this.
    Commit,
    Read,
    /// Use the tables of a rollup.
    #[cfg(feature = "report")]
    Rollup,
    #[cfg(feature = "report")]
    CreateRollup,
}

/// A step that failed, and the cause.
#[derive(Debug)]
pub(super) struct StepError {
    step: Step,
    cause: StepCause,
    /// For a broken foreign key: whether it holds `restaurant_id` and `booking_id`.
    references: (bool, bool),
    /// It is about a NULL in a column that rows do not fill.
    is_of_other_column: bool,
    /// The columns whose type may have rejected a value.
    suspects: Vec<Suspect>,
}

#[derive(Debug)]
enum StepCause {
    TimedOut(Duration),
    Sql(sqlx::Error),
    /// The address names no server that will do.
    Address(Failure, String),
}

impl StepError {
    fn new(step: Step, cause: StepCause) -> Self {
        Self { step, cause, references: (true, true), is_of_other_column: false, suspects: Vec::new() }
    }

    pub(super) fn timed_out(step: Step, after: Duration) -> Self {
        Self::new(step, StepCause::TimedOut(after))
    }

    pub(super) fn sql(step: Step, error: sqlx::Error) -> Self {
        Self::new(step, StepCause::Sql(error))
    }

    pub(super) fn address(failure: Failure, message: String) -> Self {
        Self::new(Step::Connect, StepCause::Address(failure, message))
    }

    /// Whether the user, the password or the database is wrong, or none may connect to it.
    pub(super) fn refuses_login(&self) -> bool {
        let sqlstate = self.sqlstate().unwrap_or_default();
        let is_of_database = self.step == Step::Connect && matches!(sqlstate, "42501" | "55000");
        sqlstate.starts_with("28") || sqlstate.starts_with("3D") || is_of_database
    }

    /// Whether no wait helps: someone has to change the URL or the server.
    pub(super) fn is_lasting(&self) -> bool {
        let is_of_tls = matches!(self.cause, StepCause::Sql(sqlx::Error::Tls(_)));
        is_of_tls || self.failure() == Failure::Hold
    }

    /// The message without the step that failed.
    pub(super) fn cause_text(&self) -> String {
        let text = self.to_string();
        text.strip_prefix(&format!("{}: ", self.step)).unwrap_or(&text).to_owned()
    }

    /// The same, without the advice to use `sslmode=prefer`, which is set already.
    pub(super) fn cause_text_under_prefer(&self) -> String {
        self.cause_text().replace(OR_PREFER, "")
    }

    /// Whether this is a view, or a table with row-level security, which takes `INSERT` but not `COPY`.
    pub(super) fn refuses_copy(&self) -> bool {
        self.step == Step::Rows && matches!(self.sqlstate(), Some("0A000" | "42809"))
    }

    /// Whether a row is stored already. The connection is sound and waits for the end of the transaction.
    pub(super) fn is_conflict(&self) -> bool {
        self.step == Step::Rows && self.sqlstate() == Some("23505")
    }

    /// Whether the failure cannot come from a change of the table.
    pub(super) fn is_no_change_of(&self, table: &TableFound) -> bool {
        let key = self.database().and_then(PgDatabaseError::constraint);
        match self.failure() {
            Failure::Wait => true,
            Failure::Reference { .. } => table.has_key(key),
            _ => self.is_conflict(),
        }
    }

    /// Whether the server has rejected rows, and would take others.
    pub(super) fn is_of_rows(&self) -> bool {
        let of_rows = |failure| {
            matches!(
                failure,
                Failure::Quarantine | Failure::Reject | Failure::Wait | Failure::Reference { .. }
            )
        };
        self.database().is_some() && of_rows(self.failure())
    }

    /// The error with the facts of the table: the references of a broken foreign key, and the columns that these rows fill.
    pub(super) fn in_table(self, table: &TableFound, rows: &[Row], columns: &ColumnMap) -> Self {
        let error = self.database();
        let references = table.references(error.and_then(PgDatabaseError::constraint));
        let column = error.and_then(PgDatabaseError::column);
        let is_of_other_column = column.is_some_and(|column| !table.fills(column));
        let suspects = error.map(|error| suspects(error, table, rows, columns)).unwrap_or_default();
        Self { references, is_of_other_column, suspects, ..self }
    }

    /// The column that may not be NULL, if that is the fault.
    pub(super) fn null_column(&self) -> Option<&str> {
        let error = self.database().filter(|error| error.code() == "23502" && !is_in_function(error))?;
        error.column()
    }

    /// The constraint that rejects the row, if the error names one.
    pub(super) fn constraint(&self) -> Option<&str> {
        self.database().and_then(PgDatabaseError::constraint)
    }

    /// The columns whose type may have rejected a value.
    pub(super) fn suspects(&self) -> impl Iterator<Item = &str> {
        self.suspects.iter().map(|suspect| suspect.column.as_str())
    }

    /// The state and the function of the server in which it happened: the same for all rows that meet one trigger.
    pub(super) fn of_function(&self) -> Option<String> {
        let error = self.database().filter(|error| is_in_function(error))?;
        // A statement may quote a row.
        let lines = self.place().lines().filter(|line| !line.starts_with("SQL "));
        Some(format!("{} {}", error.code(), lines.collect::<Vec<_>>().join(" ")))
    }

    /// Whether a function has judged the row.
    pub(super) fn is_raised(&self) -> bool {
        self.database().is_some_and(is_raised)
    }

    /// Whether a value does not fit the type of its column.
    pub(super) fn is_of_type(&self) -> bool {
        let of_domain = |error: &PgDatabaseError| error.data_type().is_some();
        self.database().is_some_and(|error| error.code().starts_with("22") || of_domain(error))
    }

    /// The functions of the server in which it happened.
    pub(super) fn place(&self) -> &str {
        self.database().and_then(PgDatabaseError::r#where).unwrap_or_default()
    }

    /// Whether the role lacks a right.
    pub(super) fn is_of_rights(&self) -> bool {
        self.sqlstate() == Some("42501")
    }

    /// Whether another session or a timeout is in the way, so that the row was not judged.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.sqlstate(), Some("55P03" | "57014" | "40001" | "40P01"))
    }

    /// Whether the ledger itself copes with it: the row waits, then goes without the reference.
    pub(super) fn is_of_usual_reference(&self) -> bool {
        matches!(self.failure(), Failure::Reference { .. })
    }

    /// Whether the error is an answer of the server, so that the connection is sound.
    pub(super) fn is_answer(&self) -> bool {
        self.database().is_some()
    }

    fn database(&self) -> Option<&PgDatabaseError> {
        match &self.cause {
            StepCause::Sql(sqlx::Error::Database(error)) => error.try_downcast_ref(),
            _ => None,
        }
    }

    fn sqlstate(&self) -> Option<&str> {
        self.database().map(PgDatabaseError::code)
    }

    fn failure(&self) -> Failure {
        match &self.cause {
            // The database has just answered, so the link is slow: fewer rows may arrive in time.
            StepCause::TimedOut(_) if matches!(self.step, Step::Look | Step::Rows) => Failure::Halve,
            StepCause::TimedOut(_) => Failure::Retry,
            StepCause::Address(failure, _) => *failure,
            StepCause::Sql(sqlx::Error::Database(_)) => {
                self.database().map_or(Failure::Hold, |error| self.answer(error))
            }
            StepCause::Sql(error) => failure_of_driver(error),
        }
    }

    /// The failure for the server's answer. Only rows can be rejected.
    fn answer(&self, error: &PgDatabaseError) -> Failure {
        let of_rows = matches!(self.step, Step::Rows | Step::Commit);
        let (restaurant_id, booking_id) = self.references;
        match failure_of_sqlstate(error.code()) {
            _ if of_rows && self.concerns_all_rows(error) => Failure::Hold,
            Failure::Reference { .. } if restaurant_id || booking_id => {
                Failure::Reference { restaurant_id, booking_id }
            }
            Failure::Reference { .. } => Failure::Quarantine,
            _ if of_rows && is_without_partition(error) => Failure::Wait,
            // A trigger may raise any state.
            _ if of_rows && is_raised(error) => Failure::Reject,
            _ if of_rows && is_locked_elsewhere(error) => Failure::Halve,
            Failure::Quarantine if error.code() == "23514" && error.constraint().is_none() => Failure::Reject,
            Failure::Reject if !of_rows => Failure::Hold,
            failure => failure,
        }
    }

    /// Whether it is the statement itself that fails, and not one row.
    fn concerns_all_rows(&self, error: &PgDatabaseError) -> bool {
        match error.code() {
            "23502" if !is_in_function(error) => self.is_of_other_column,
            _ if is_raised(error) => false,
            "42501" if error.routine() == Some("ExecWithCheckOptions") => false,
            code => {
                ["26", "28", "3D", "3F", "42"].contains(&code.get(..2).unwrap_or_default())
                    && !is_in_function(error)
            }
        }
    }
}

/// Whether a function failed, such as a trigger's. A `COPY` by itself names the line, and JSON the place in it.
fn is_in_function(error: &PgDatabaseError) -> bool {
    let is_of_function = |line: &str| !line.starts_with("COPY ") && !line.starts_with("JSON data, ");
    error.r#where().is_some_and(|place| place.lines().any(is_of_function))
}

/// Whether a function in PL/pgSQL raised the error. Its state is then the author's choice.
fn is_raised(error: &PgDatabaseError) -> bool {
    error.routine() == Some("exec_stmt_raise")
}

fn is_without_partition(error: &PgDatabaseError) -> bool {
    error.code() == "23514" && error.constraint().is_none() && error.routine() == Some("ExecFindPartition")
}

/// Whether a foreign key or a trigger waits for a lock. Such a lock may concern one row, and one on the table concerns all.
fn is_locked_elsewhere(error: &PgDatabaseError) -> bool {
    // The lock of an earlier transaction with the same rows has one line.
    let lines = |place: &str| place.lines().filter(|line| !line.starts_with("COPY ")).count();
    error.code() == "55P03"
        && error.r#where().is_some_and(|place| place.contains("FOR KEY SHARE") || lines(place) > 1)
}

/// The failure for an [SQLSTATE](https://www.postgresql.org/docs/current/errcodes-appendix.html), unless it `concerns_all_rows`.
fn failure_of_sqlstate(sqlstate: &str) -> Failure {
    match sqlstate {
        "57014" => Failure::Halve,
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => Failure::Retry,
        "25006" | "25P03" | "40001" | "40P01" | "55P03" => Failure::Retry,
        "23503" => Failure::Reference { restaurant_id: true, booking_id: true },
        "23502" | "23514" | "54000" | "54001" => Failure::Quarantine,
        _ => match sqlstate.get(..2) {
            Some("08" | "53" | "58") => Failure::Retry,
            Some("22") => Failure::Quarantine,
            _ => Failure::Reject,
        },
    }
}

/// The failure for an error that no server sent.
fn failure_of_driver(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Failure::Retry,
        // The driver encodes nothing but the batch.
        sqlx::Error::Encode(_) => Failure::Quarantine,
        _ => Failure::Hold,
    }
}

/// Whether the server's message names no user and may be passed on.
fn may_quote(step: Step, sqlstate: &str) -> bool {
    step != Step::Connect && !["08", "28", "3D"].contains(&sqlstate.get(..2).unwrap_or_default())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "cannot connect to Postgres",
            Self::Create => "cannot create the table observability_events in Postgres",
            Self::Insert | Self::Look | Self::Rows | Self::Commit => "cannot insert into Postgres",
            Self::Read => "cannot read observability_events from Postgres",
            #[cfg(feature = "report")]
            Self::Rollup | Self::CreateRollup => "cannot use the rollup of observability_events in Postgres",
        })
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.step)?;
        match &self.cause {
            StepCause::TimedOut(after) => {
                write!(f, "no answer within {} s", after.as_secs())?;
                f.write_str(if self.step == Step::Connect { UNREACHED } else { "" })
            }
            StepCause::Address(_, message) => f.write_str(message),
            StepCause::Sql(sqlx::Error::Database(_)) => {
                self.database().map_or(Ok(()), |error| describe(f, self, error))
            }
            StepCause::Sql(sqlx::Error::Io(error)) => match (self.step, error.kind()) {
                (_, ErrorKind::InvalidData) => {
                    let rustls = error.to_string();
                    f.write_str(refused_certificate(&rustls))?;
                    f.write_str(if is_version_1(&rustls) { OR_PREFER } else { "" })
                }
                (Step::Connect, ErrorKind::NotFound | ErrorKind::PermissionDenied) => f.write_str(
                    "a Unix socket or a certificate file is missing or may not be opened; for a socket, check that the server \
                     runs and listens on it with the URL's port; for a certificate, check sslrootcert, sslcert and sslkey",
                ),
                (Step::Connect, _) => write!(f, "{error}{UNREACHED}"),
                _ => write!(f, "{error}"),
            },
            StepCause::Sql(sqlx::Error::Tls(error)) => f.write_str(no_tls(&error.to_string())),
            StepCause::Sql(sqlx::Error::Configuration(_)) => f.write_str(no_tls("")),
            StepCause::Sql(sqlx::Error::Protocol(_)) => {
                f.write_str("the answer is not that of a Postgres server; check the host and the port of the URL")
            }
            StepCause::Sql(_) => f.write_str("the driver could not run the statement; check that the server is a Postgres of a supported version"),
        }
    }
}

fn describe(f: &mut fmt::Formatter<'_>, failed: &StepError, error: &PgDatabaseError) -> fmt::Result {
    let sqlstate = error.code();
    // The message of a trigger may quote a row.
    let words = (may_quote(failed.step, sqlstate) || is_raised(error)).then(|| visible(error.message()));
    match (remedy(failed, error), words) {
        (Some(remedy), Some(words)) => write!(f, "{words}; {remedy} (SQLSTATE {sqlstate})"),
        (Some(remedy), None) => write!(f, "{remedy} (SQLSTATE {sqlstate})"),
        (None, Some(words)) => write!(f, "{words} (SQLSTATE {sqlstate})"),
        (None, None) => write!(f, "the server answered with SQLSTATE {sqlstate}; see its log"),
    }
}

impl From<StepError> for InsertError {
    fn from(error: StepError) -> Self {
        Self::new(error.failure(), error.to_string())
    }
}

#[cfg(feature = "report")]
impl From<StepError> for crate::error::Error {
    fn from(error: StepError) -> Self {
        match error.cause {
            StepCause::TimedOut(_) => Self::timeout(error.to_string()),
            StepCause::Sql(_) | StepCause::Address(..) => Self::database(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
