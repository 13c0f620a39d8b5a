//! What to do about an answer of the server.

use std::borrow::Cow;

use sqlx::postgres::PgDatabaseError;

use super::{Step, StepError, is_in_function, is_raised, is_without_partition};
use crate::escape::visible;
use crate::store::table_name::quoted;

/// What happened and what to do, if the code tells.
pub(super) fn remedy(failed: &StepError, error: &PgDatabaseError) -> Option<Cow<'static, str>> {
    of_object(failed, error).map(Cow::from).or_else(|| known(failed, error).map(Cow::from))
}

/// For an error that names a constraint, a column or a function.
fn of_object(failed: &StepError, error: &PgDatabaseError) -> Option<String> {
    let is_of_rows = matches!(failed.step, Step::Rows | Step::Commit);
    let alter = || format!("let the owner run ALTER TABLE {}", table(error));
    match (error.code(), error.constraint(), error.column()) {
        _ if !is_of_rows || is_in_function(error) && !is_raised(error) => None,
        ("P0001", ..) if is_raised(error) => Some(format!(
            "{} refuses the row; let its owner correct it, or run ALTER TABLE observability_events DISABLE TRIGGER for its \
             trigger",
            function(error)
        )),
        _ if is_raised(error) => None,
        ("23502", _, Some(column)) if failed.concerns_all_rows(error) => {
            let (alter, column) = (alter(), quoted(column));
            Some(format!(
                "the ledger does not know this column; {alter} ALTER COLUMN {column} DROP NOT NULL, or give it a default"
            ))
        }
        ("23502", _, Some(column)) => {
            let (alter, column) = (alter(), quoted(column));
            Some(format!(
                "{alter} ALTER COLUMN {column} DROP NOT NULL, or see that every row has a value for it"
            ))
        }
        ("23514", Some(constraint), _) => Some(match error.data_type() {
            Some(domain) => format!(
                "let the owner run ALTER DOMAIN {} DROP CONSTRAINT {}, or change it so that it allows these values",
                quoted(domain),
                quoted(constraint)
            ),
            None => format!(
                "{} DROP CONSTRAINT {}, or change it so that it allows these rows",
                alter(),
                quoted(constraint)
            ),
        }),
        ("23503", Some(constraint), _) if failed.references == (false, false) => Some(format!(
            "{} DROP CONSTRAINT {}, or put what these rows refer to into the other table first",
            alter(),
            quoted(constraint)
        )),
        ("23505" | "23P01", Some(constraint), _) if !failed.is_conflict() => Some(format!(
            "{} DROP CONSTRAINT {}, because rows of the ledger may repeat these values",
            alter(),
            quoted(constraint)
        )),
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

/// By the code alone.
fn known(failed: &StepError, error: &PgDatabaseError) -> Option<&'static str> {
    #[cfg(feature = "report")]
    if let remedy @ Some(_) = super::super::rollup::remedy(failed.step, error.code()) {
        return remedy;
    }
    Some(match (error.code(), failed.step) {
        ("23514", _) if is_without_partition(error) => {
            "create the partition for these rows, or a DEFAULT partition: CREATE TABLE observability_events_default PARTITION OF \
             observability_events DEFAULT"
        }
        ("42501", _) if error.routine() == Some("ExecWithCheckOptions") => {
            "let the owner write a policy FOR INSERT that lets these rows in, such as CREATE POLICY ledger ON \
             observability_events FOR INSERT WITH CHECK (true), and drop a restrictive one that does not"
        }
        ("42501", Step::Look) => {
            "the role may not use the schema of the table; let its owner run GRANT USAGE ON SCHEMA for that role"
        }
        ("44000", _) => {
            "the view has WITH CHECK OPTION, and its condition leaves these rows out; let the owner change it, or name the table \
             behind it"
        }
        ("22001", _) => {
            "a column is too short for a value; let the owner make it text by ALTER TABLE observability_events ALTER COLUMN … TYPE \
             text"
        }
        ("22P02", _) if error.routine() == Some("enum_in") => {
            "the enum of a column lacks that word; let the owner run ALTER TYPE … ADD VALUE, or make the column text"
        }
        (code, Step::Rows | Step::Commit)
            if code.starts_with("42") && is_in_function(error) || is_raised(error) && code != "P0001" =>
        {
            "correct the trigger or function of the table that failed"
        }
        ("22P05", _) => {
            "the encoding of the database lacks a character of the row; a database with the encoding UTF8 has them all"
        }
        ("42501", Step::Connect) => {
            "the role may not connect to the database; let its owner run GRANT CONNECT ON DATABASE … TO that role"
        }
        ("55000", Step::Connect) => {
            "the database takes no connections; let its owner run ALTER DATABASE … ALLOW_CONNECTIONS true, or correct the name in \
             the URL"
        }
        ("55000", _) if error.routine() == Some("rewriteTargetView") => {
            "the view takes no rows; give it an INSTEAD OF INSERT trigger that stores them, or name the table behind it"
        }
        ("42809", _) => "it is neither a table nor a view that takes rows; name one that does",
        ("55000", _) => {
            "an object of the database is not in the state that the statement needs; see the server's log"
        }
        ("XX000", _) => {
            "an internal error of the server; if a node of a cluster is away, it passes when the node is back; see the \
             server's log"
        }
        ("42P01", _) => {
            "the table observability_events does not exist; apply schema.sql, which the command tracing-ledger schema --table \
             observability_events prints, or use create_table(true)"
        }
        ("3F000", Step::Create) => "there is no schema for the table; name one in the role's search_path",
        ("42501", _) if error.routine() == Some("check_enable_rls") => {
            "row_security is off for this role, and a policy applies to it; set it to on for the role or in the options of the URL"
        }
        ("42501", Step::Create) => {
            "the role may not create the table; let its owner apply schema.sql, and leave create_table off"
        }
        ("42501", Step::Read) => {
            "the role may not read; let the owner run GRANT SELECT ON observability_events TO that role"
        }
        ("42501", _) if error.routine() == Some("nextval_internal") => {
            "the role may not use the sequence of a column; let the owner run GRANT USAGE ON SEQUENCE … TO that role"
        }
        ("42501", _) => {
            "the role may not write; let the owner run GRANT INSERT ON observability_events TO that role, and GRANT USAGE \
             ON SEQUENCE for a column with a sequence"
        }
        ("42703" | "42804", _) => {
            "the table observability_events has other columns than expected; compare it with schema.sql"
        }
        ("25006", _) => {
            "the server takes no writes: it is a standby, and the URL has to name the primary; or \
             default_transaction_read_only is on, for the role, the database or the server"
        }
        ("55P03", _) => "another session holds a lock that these rows need; end its transaction",
        ("57014", _) => "the statement was cancelled; see statement_timeout and the server's log",
        ("57P03", _) => "the server is starting up or shutting down; wait until it is up",
        ("3D000", _) => "the database does not exist; create it, or correct the name in the URL",
        ("28000", _) => {
            "the login was refused; check the user of the URL and the server's pg_hba.conf: if it takes logins only by TLS, \
             then the URL needs sslmode=verify-full, or require"
        }
        (code, _) if code.starts_with("28") => {
            "the login was refused; check the user and password of the URL, and the server's pg_hba.conf"
        }
        (code, _) if code.starts_with("08") => {
            "the connection failed at the server or at its pooler; see their logs"
        }
        ("53300", _) => {
            "the server has no connection left for this role or database; close some, or raise the limit that is reached: \
             max_connections, or CONNECTION LIMIT by ALTER ROLE or ALTER DATABASE"
        }
        (code, _) if code.starts_with("53") => {
            "the server has no connections, memory or disk space left; free some"
        }
        _ => return None,
    })
}
