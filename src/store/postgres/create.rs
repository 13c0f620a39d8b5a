//! Makes the table. A schema is made by a printed statement alone: a typing error in its name must not make one.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::classify::{Step, StepError};
use super::connect::{begin, commit, simple, statement};
use crate::columns::ColumnMap;
use crate::store::filled::schema;
use crate::store::table_name::quoted;
use crate::store::{SCHEMA, TableName};

/// Without the lock, of two programs that start at once and find no table, one would fail. The number is arbitrary.
pub(super) const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(7310577382525465449)";

/// Applying the schema needs rights that a role may lack if the table exists.
const TABLE_EXISTS: &str = "SELECT to_regclass('observability_events') IS NOT NULL";

/// Makes the schema that the name of the table has. `CREATE SCHEMA IF NOT EXISTS` needs the right to make schemas even where
/// this one exists, and an owner of the schema alone may lack that right.
pub(super) fn create_schema(table: &TableName) -> String {
    let Some(schema) = table.schema().map(quoted) else { return String::new() };
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let name = literal(&schema);
    let block = format!("BEGIN IF to_regnamespace({name}) IS NULL THEN CREATE SCHEMA {schema}; END IF; END");
    format!("DO {};\n\n", literal(&block))
}

pub(super) async fn create_table(
    connection: &mut PgConnection,
    name: &TableName,
    columns: &ColumnMap,
) -> Result<(), StepError> {
    begin(connection, Step::Create).await?;
    simple(connection, Step::Create, LOCK_SCHEMA).await?;
    let exists = sqlx::query_scalar(AssertSqlSafe(name.in_sql(TABLE_EXISTS).into_owned()))
        .persistent(false)
        .fetch_one(&mut *connection);
    if !statement::<bool>(Step::Create, exists).await? {
        let schema = AssertSqlSafe(name.in_sql(&schema(SCHEMA, columns)).into_owned());
        statement(Step::Create, sqlx::raw_sql(schema).execute(&mut *connection)).await?;
    }
    commit(connection, Step::Create).await
}
