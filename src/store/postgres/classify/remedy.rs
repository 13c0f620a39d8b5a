//! The remedies for errors that the server reports.

use std::borrow::Cow;

use sqlx::postgres::PgDatabaseError;

use super::super::suspects;
use super::{Step, StepError, is_in_function, is_raised, is_without_partition};
use crate::escape::visible;
use crate::store::table_name::quoted;

/// The remedy, if the code or the objects that the error names show one.
pub(super) fn remedy(failed: &StepError, error: &PgDatabaseError) -> Option<Cow<'static, str>> {
    of_object(failed, error).map(Cow::from).or_else(|| known(failed, error).map(Cow::from))
}

/// For an error that names a constraint, a column or a function.
fn of_object(failed: &StepError, error: &PgDatabaseError) -> Option<String> {
    let is_of_rows = matches!(failed.step, Step::Rows | Step::Commit);
    if !is_of_rows || is_in_function(error) && !is_raised(error) {
        return None;
    }
    let function = function(error);
    match (error.code(), error.column()) {
        _ if !failed.suspects.is_empty() && !is_raised(error) => {
            Some(suspects::remedy(&failed.suspects, error.code(), &table(error)))
        }
        ("P0001", _) if is_raised(error) => Some(format!(
            "{function} rejects the row; let its owner correct it, or run ALTER TABLE observability_events DISABLE TRIGGER for its \
             trigger"
        )),
        _ if is_raised(error) => None,
        ("23502", Some(column)) => {
            let alter =
                format!("let the owner run ALTER TABLE {} ALTER COLUMN {}", table(error), quoted(column));
            Some(if failed.concerns_all_rows(error) {
                format!("the ledger does not know this column; {alter} DROP NOT NULL, or give it a default")
            } else {
                format!("{alter} DROP NOT NULL, or see that every row has a value for it")
            })
        }
        _ => of_constraint(failed, error, error.constraint()?),
    }
}

fn of_constraint(failed: &StepError, error: &PgDatabaseError, constraint: &str) -> Option<String> {
    let constraint = quoted(constraint);
    let drop = format!("let the owner run ALTER TABLE {} DROP CONSTRAINT {constraint}", table(error));
    match (error.code(), error.data_type()) {
        ("23514", Some(domain)) => Some(format!(
            "let the owner run ALTER DOMAIN {} DROP CONSTRAINT {constraint}, or change it so that it allows these values",
            quoted(domain)
        )),
        ("23514", None) => Some(format!("{drop}, or change it so that it allows these rows")),
        ("23503", _) if failed.references == (false, false) => {
            Some(format!("{drop}, or put what these rows refer to into the other table first"))
        }
        ("23505" | "23P01", _) if !failed.is_conflict() => {
            Some(format!("{drop}, because rows of the ledger may repeat these values"))
        }
        _ => None,
    }
}

/// The table that the error names, which may be a partition.
fn table(error: &PgDatabaseError) -> String {
    match (error.schema(), error.table()) {
        (_, None | Some("observability_events")) => "observability_events".to_owned(),
        (Some(schema), Some(table)) => format!("{}.{}", quoted(schema), quoted(table)),
        (None, Some(table)) => quoted(table),
    }
}

/// The function that raised the error. Other lines of the place may quote a row.
fn function(error: &PgDatabaseError) -> String {
    let place = error.r#where().and_then(|place| place.lines().next()).unwrap_or_default();
    let name = place.split_whitespace().find(|word| word.ends_with("()"));
    name.map_or_else(|| "a trigger".to_owned(), |name| format!("the trigger function {}", visible(name)))
}

fn known(failed: &StepError, error: &PgDatabaseError) -> Option<&'static str> {
    #[cfg(feature = "report")]
    if let remedy @ Some(_) = super::super::rollup::remedy(failed.step, error.code()) {
        return remedy;
    }
    let code = error.code();
    let is_of_rows = matches!(failed.step, Step::Rows | Step::Commit);
    let is_own = code.starts_with("42") && is_in_function(error) || is_raised(error) && code != "P0001";
    if is_of_rows && is_own && error.routine() != Some("ExecWithCheckOptions") {
        return Some("correct the trigger or function of the table that failed");
    }
    of_connection(failed.step, code)
        .or_else(|| of_right(failed.step, code, error.routine()))
        .or_else(|| of_table(failed.step, error))
        .or_else(|| of_server(code))
}

/// The server or the database lets nobody in, or not this role.
fn of_connection(step: Step, code: &str) -> Option<&'static str> {
    Some(match (code, step) {
        ("42501", Step::Connect) => {
            "the role may not connect to the database; let its owner run GRANT CONNECT ON DATABASE … TO that role"
        }
        ("55000", Step::Connect) => {
            "the database takes no connections; let its owner run ALTER DATABASE … ALLOW_CONNECTIONS true, or correct the name in \
             the URL"
        }
        ("3D000", _) => "the database does not exist; create it, or correct the name in the URL",
        ("28000", _) => {
            "the login was refused; check the user of the URL and the server's pg_hba.conf: if it takes logins only by TLS, \
             then the URL needs sslmode=verify-full, or require"
        }
        ("53300", _) => {
            "the server has no connection left for this role or database; close some, or raise the limit that is reached: \
             max_connections, or CONNECTION LIMIT by ALTER ROLE or ALTER DATABASE"
        }
        ("57P03", _) => "the server is starting up or shutting down; wait until it is up",
        (code, _) if code.starts_with("28") => {
            "the login was refused; check the user and password of the URL, and the server's pg_hba.conf"
        }
        (code, _) if code.starts_with("08") => {
            "the connection failed at the server or at its pooler; see their logs"
        }
        _ => return None,
    })
}

fn of_right(step: Step, code: &str, routine: Option<&str>) -> Option<&'static str> {
    let "42501" = code else { return None };
    Some(match (routine, step) {
        (Some("ExecWithCheckOptions"), _) => {
            "let the owner write a policy FOR INSERT that lets these rows in, such as CREATE POLICY ledger ON \
             observability_events FOR INSERT WITH CHECK (true), and drop a restrictive one that does not"
        }
        (Some("check_enable_rls"), _) => {
            "row_security is off for this role, and a policy applies to it; set it to on for the role or in the options of the URL"
        }
        (Some("nextval_internal"), _) => {
            "the role may not use the sequence of a column; let the owner run GRANT USAGE ON SEQUENCE … TO that role"
        }
        (_, Step::Look) => {
            "the role may not use the schema of the table; let its owner run GRANT USAGE ON SCHEMA … TO that role"
        }
        (_, Step::Create) => {
            "the role may not create the table; let its owner apply schema.sql, and leave create_table off"
        }
        (_, Step::Read) => {
            "the role may not read; let the owner run GRANT SELECT ON observability_events TO that role"
        }
        _ => {
            "the role may not write; let the owner run GRANT INSERT ON observability_events TO that role, and GRANT USAGE \
             ON SEQUENCE for a column with a sequence"
        }
    })
}

/// The table is not there, or takes no such rows.
fn of_table(step: Step, error: &PgDatabaseError) -> Option<&'static str> {
    Some(match (error.code(), error.routine()) {
        ("23514", _) if is_without_partition(error) => {
            "create the partition for these rows, or a DEFAULT partition: CREATE TABLE observability_events_default PARTITION OF \
             observability_events DEFAULT"
        }
        // Only a rollup lets the server read a text as a time.
        (_, Some("DateTimeParseError" | "DecodeDateTime")) if step == Step::Read => {
            "created_at is text, and that of a row is no time: correct or delete that row, or ask without --rollup, which \
             counts such rows as unreadable"
        }
        ("44000", _) => {
            "the view has WITH CHECK OPTION, and its condition leaves these rows out; let the owner change it, or name the table \
             behind it"
        }
        ("22001", _) => {
            "a column is too short for a value; let the owner make it text by ALTER TABLE observability_events ALTER COLUMN … TYPE \
             text"
        }
        ("22P02", Some("enum_in")) => {
            "the enum of a column lacks that word; let the owner run ALTER TYPE … ADD VALUE, or make the column text"
        }
        ("55000", Some("rewriteTargetView")) => {
            "the view takes no rows; give it an INSTEAD OF INSERT trigger that stores them, or name the table behind it"
        }
        ("42809", _) => "it is neither a table nor a view that takes rows; name one that does",
        (code, routine) => return of_definition(step, code, routine),
    })
}

/// The table, its schema or its columns are missing.
fn of_definition(step: Step, code: &str, routine: Option<&str>) -> Option<&'static str> {
    Some(match (code, routine) {
        ("42P01", _) => {
            "the table observability_events does not exist; apply schema.sql, which the command tracing-ledger schema --table \
             observability_events prints, or use create_table(true)"
        }
        // Here the name of the table has the schema.
        ("3F000", Some("get_namespace_oid")) if step == Step::Create => {
            "the schema of observability_events does not exist; let an owner apply what the command tracing-ledger schema \
             --table observability_events prints, which begins with CREATE SCHEMA"
        }
        ("3F000", _) if step == Step::Create => {
            "there is no schema for the table; let an owner run CREATE SCHEMA, or name one in the role's search_path"
        }
        ("42703" | "42804", _) => {
            "the table observability_events has other columns than expected; compare it with schema.sql"
        }
        _ => return None,
    })
}

/// Something at the server is in the way.
fn of_server(code: &str) -> Option<&'static str> {
    Some(match code {
        "22P05" => {
            "the encoding of the database lacks a character of the row; a database with the encoding UTF8 has them all"
        }
        "25006" => {
            "the server takes no writes: it is a standby, and the URL has to name the primary; or \
             default_transaction_read_only is on, for the role, the database or the server"
        }
        "55000" => {
            "an object of the database is not in the state that the statement needs; see the server's log"
        }
        "55P03" => "another session holds a lock that these rows need; end its transaction",
        "57014" => "the statement was cancelled; see statement_timeout and the server's log",
        "XX000" => {
            "an internal error of the server; if a node of a cluster is away, it passes when the node is back; see the \
             server's log"
        }
        code if code.starts_with("53") => {
            "the server has no connections, memory or disk space left; free some"
        }
        _ => return None,
    })
}
