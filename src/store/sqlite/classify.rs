//! Errors of SQLite: the writer's next step, and the message.

use super::location::Change;
#[cfg(feature = "report")]
use crate::error::Error;
use crate::escape::visible;
use crate::store::table_name::quoted;
use crate::store::{Failure, InsertError};

// Primary result codes (https://www.sqlite.org/rescode.html).
const ERROR: u32 = 1;
const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const NOMEM: u32 = 7;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const PROTOCOL: u32 = 15;
const TOOBIG: u32 = 18;
const CONSTRAINT: u32 = 19;
const MISMATCH: u32 = 20;
const NOTADB: u32 = 26;
/// An extended code.
const CONSTRAINT_FOREIGNKEY: u32 = 787;

/// The failure for a primary result code. Failures of other processes and of the disk pass.
fn failure_of_code(code: u32) -> Failure {
    match code {
        BUSY | LOCKED | NOMEM | IOERR | FULL | PROTOCOL => Failure::Retry,
        TOOBIG | CONSTRAINT | MISMATCH => Failure::Quarantine,
        _ => Failure::Hold,
    }
}

fn failure(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(_) => failure_of_code(primary(error)),
        _ => Failure::Hold,
    }
}

/// The primary code is the low byte of the extended one.
fn primary(error: &sqlx::Error) -> u32 {
    extended(error) & 0xff
}

fn extended(error: &sqlx::Error) -> u32 {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// Whether a row refers to nothing.
pub(super) fn is_of_reference(error: &sqlx::Error) -> bool {
    extended(error) == CONSTRAINT_FOREIGNKEY
}

fn describe(error: &sqlx::Error) -> String {
    // The message of a trigger may quote a row.
    if matches!(error, sqlx::Error::ColumnDecode { .. }) {
        return "a value has another type than its column; find its row with typeof(event_type) and typeof(created_at)"
            .to_owned();
    }
    let Some(text) = error.as_database_error().map(|error| visible(error.message())) else {
        return "the driver could not run the statement; check that the file is a SQLite database".to_owned();
    };
    match primary(error) {
        ERROR => of_table(text),
        BUSY => format!(
            "{text}: another connection has held it for {} s; end its transaction",
            super::BUSY_TIMEOUT.as_secs()
        ),
        CONSTRAINT => format!(
            "{text}; change what the rules write, or make the table anew without this constraint, which SQLite cannot drop"
        ),
        MISMATCH => format!(
            "{text}: a column takes no text, such as an id that is INTEGER PRIMARY KEY; make the table anew by the output of the \
             command tracing-ledger schema --sqlite --table observability_events"
        ),
        FULL => format!("{text}; free some space, or raise the limit of the file's size"),
        CANTOPEN => format!(
            "{text}; check that the directory in the URL exists and that the process may write to it, and use \
             create_table(true) to create the file"
        ),
        NOTADB => format!("{text}; move it away, or correct the path in the URL"),
        CORRUPT => format!("{text}; move the file away for repair, and the ledger goes on in another one"),
        READONLY | PERM => format!("{text}; give the process the right to write the file and its directory"),
        _ => text,
    }
}

fn of_table(text: String) -> String {
    if text.starts_with("no such table") {
        return "the table observability_events does not exist; use create_table(true), or apply the output of the command \
                tracing-ledger schema --sqlite --table observability_events"
            .to_owned();
    }
    if text.starts_with("ON CONFLICT clause does not match") {
        return "the table observability_events has no primary key or unique index on id; add one".to_owned();
    }
    // "table NAME has no column named COLUMN"
    match text.rsplit_once(" has no column named ") {
        Some((_, name)) => {
            let name = quoted(name);
            format!(
                "{text}; run ALTER TABLE observability_events ADD COLUMN {name}, or let \"columns\" not fill it"
            )
        }
        None => text,
    }
}

/// The file is not the one that was open; `written` rows went into the old one.
pub(super) fn changed(change: Change, written: usize) -> InsertError {
    let text = match change {
        Change::Gone => format!(
            "the database file was moved, deleted or replaced while it was open: the next try opens the file that the \
             URL names; rows of this process that are in the old file only: {written}"
        ),
        Change::LogGone => {
            "the write-ahead log beside the database file was moved, deleted or replaced while it was \
             open: its rows were copied into the file, and the next try opens the file again"
                .to_owned()
        }
        Change::Shorter => format!(
            "the database file became shorter while it was open, and the next try opens it again: unless someone ran \
             VACUUM, rows may be lost; check the file with PRAGMA integrity_check (rows of this process before that: \
             {written})"
        ),
    };
    InsertError::new(Failure::Retry, format!("cannot insert into SQLite: {text}"))
}

pub(super) fn insert_error(error: &sqlx::Error) -> InsertError {
    InsertError::new(failure(error), format!("cannot insert into SQLite: {}", describe(error)))
}

/// A row refers to nothing; `keys` says whether a foreign key holds `restaurant_id` and `booking_id`.
pub(super) fn reference_error(error: &sqlx::Error, keys: (bool, bool)) -> InsertError {
    let failure = match keys {
        (false, false) => Failure::Quarantine,
        (restaurant_id, booking_id) => Failure::Reference { restaurant_id, booking_id },
    };
    InsertError::new(failure, format!("cannot insert into SQLite: {}", describe(error)))
}

#[cfg(feature = "report")]
pub(super) fn read_from_missing(name: &str) -> Error {
    Error::database(format!(
        "cannot read observability_events from SQLite: the file {name} is gone or was never there; put it back, correct \
         the path in the URL, or let the service make it by create_table(true)"
    ))
}

#[cfg(feature = "report")]
pub(super) fn read_from_changed() -> Error {
    Error::database(
        "cannot read observability_events from SQLite: the file was replaced; the next try reads the new one",
    )
}

#[cfg(feature = "report")]
pub(super) fn read_error(error: &sqlx::Error) -> Error {
    Error::database(not_read(error))
}

/// That the table cannot be read, and why.
pub(super) fn not_read(error: &sqlx::Error) -> String {
    let text = describe(error);
    let hint = if primary(error) == CANTOPEN {
        "; where the disk is read-only, add ?immutable=1 to the URL"
    } else {
        ""
    };
    format!("cannot read observability_events from SQLite: {text}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_class() {
        for code in [BUSY, LOCKED, NOMEM, IOERR, FULL, PROTOCOL] {
            assert_eq!(failure_of_code(code), Failure::Retry, "{code}");
        }
        for code in [TOOBIG, CONSTRAINT, MISMATCH] {
            assert_eq!(failure_of_code(code), Failure::Quarantine, "{code}");
        }
        for code in [ERROR, PERM, READONLY, CANTOPEN, CORRUPT, NOTADB, 255] {
            assert_eq!(failure_of_code(code), Failure::Hold, "{code}");
        }
    }
}
