//! Checks whether the table is there, and whether the role may use its schema.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::super::classify::{Step, StepError};
use super::super::connect::statement;
use crate::finding::Checkup;
use crate::store::TableName;
use crate::store::table_name::quoted;

/// Whether the schema is there, and whether the role may use it.
const SCHEMA: &str = "SELECT true, has_schema_privilege(oid, 'USAGE'), current_user::text FROM pg_namespace WHERE nspname = $1";
/// Whether the table is there, and the schemas that have one of that name.
const TABLES: &str = "SELECT to_regclass($1) IS NOT NULL, ARRAY(SELECT n.nspname::text FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'f') ORDER BY 1), \
     current_schemas(false)::text[], current_user::text";

/// Where the table would be made, and whether the role may.
const MAY_MAKE_TABLE: &str = "SELECT place, has_schema_privilege(place, 'CREATE'), current_user::text \
     FROM (SELECT coalesce($1, current_schema()::text) AS place) AS places";

/// Whether there is a table; if not, notes why. One that the ledger `creates` need not be there yet.
pub(super) async fn look(
    connection: &mut PgConnection,
    name: &TableName,
    creates: bool,
    checkup: &mut Checkup,
) -> Result<bool, StepError> {
    if let Some(schema) = name.schema() {
        let found = sqlx::query_as(SCHEMA).bind(schema).persistent(false).fetch_optional(&mut *connection);
        let found: Option<(bool, bool, String)> = statement(Step::Look, found).await?;
        let quoted_schema = quoted(schema);
        match found {
            None => {
                checkup.wrong("table", format!(
                    "the schema {schema} does not exist: let an owner run CREATE SCHEMA {quoted_schema}, apply what the command \
                     tracing-ledger schema --table {} prints, and run GRANT USAGE ON SCHEMA {quoted_schema} and GRANT INSERT \
                     ON {} for the role of the service",
                    name.for_shell(),
                    name.quoted()
                ));
                return Ok(false);
            }
            Some((_, false, role)) => {
                checkup.wrong("rights", format!(
                    "the role {role} may not use the schema {schema}: let its owner run GRANT USAGE ON SCHEMA {quoted_schema} TO {}",
                    quoted(&role)
                ));
                return Ok(false);
            }
            Some(_) => {}
        }
    }
    is_there(connection, name, creates, checkup).await
}

async fn is_there(
    connection: &mut PgConnection,
    name: &TableName,
    creates: bool,
    checkup: &mut Checkup,
) -> Result<bool, StepError> {
    let found = sqlx::query_as(AssertSqlSafe(TABLES.to_owned())).bind(name.quoted()).bind(name.name());
    let found = found.persistent(false).fetch_one(&mut *connection);
    let (is_there, elsewhere, path, role): (bool, Vec<String>, Vec<String>, String) =
        statement(Step::Look, found).await?;
    if is_there {
        return Ok(true);
    }
    if creates {
        may_make_table(connection, name, checkup).await?;
        return Ok(false);
    }
    let make = format!(
        "the table {name} does not exist: let an owner apply schema.sql, which the command tracing-ledger schema --table {} \
         prints, or use create_table(true)",
        name.for_shell()
    );
    let text = match elsewhere.first().filter(|_| name.schema().is_none()) {
        Some(schema) => format!(
            "no schema of the search path ({}) that the role {role} may use has the table {name}, and the schema {schema} has one: \
             name it as {schema}.{name} (--table, TRACING_LEDGER_TABLE), and let its owner run GRANT USAGE ON SCHEMA {} TO {}",
            path.join(", "),
            quoted(schema),
            quoted(&role)
        ),
        None => make,
    };
    checkup.wrong("table", text);
    Ok(false)
}

/// Notes whether the ledger may make the table.
async fn may_make_table(
    connection: &mut PgConnection,
    name: &TableName,
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let found = sqlx::query_as(MAY_MAKE_TABLE).bind(name.schema()).persistent(false).fetch_one(connection);
    let (schema, may, role): (Option<String>, Option<bool>, String) = statement(Step::Look, found).await?;
    match schema {
        Some(_) if may == Some(true) => {
            checkup.ok("table", format!("{name} does not exist yet: the first rows make it"));
        }
        Some(schema) => checkup.wrong("rights", format!(
            "the table {name} does not exist, and the role {role} may not make it: let the owner of the schema {schema} run GRANT \
             CREATE ON SCHEMA {} TO {}",
            quoted(&schema),
            quoted(&role)
        )),
        None => checkup.wrong("table", format!(
            "the table {name} does not exist, and no schema of the role's search path does: name the schema, as in SCHEMA.{name} \
             (--table, TRACING_LEDGER_TABLE)"
        )),
    }
    Ok(())
}
