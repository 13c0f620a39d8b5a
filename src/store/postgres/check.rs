//! Checks whether the database takes rows, without leaving one.

mod place;
mod queries;
mod rejections;
mod traffic;
mod trials;

use std::time::SystemTime;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, FromRow};

use self::trials::Tester;
use super::classify::{Step, StepError};
use super::connect::{Purpose, begin, roll_back, statement};
use super::{Postgres, table};
use crate::finding::{Checkup, Health};
use crate::store::{TableName, Trial};

/// Clocks that differ more make `created_at` wrong for those who compare services.
const SKEW: f64 = 2.0;

const TLS: &str = "SELECT COALESCE((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), ''), \
     inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1'";
const CLOCK: &str = "SELECT extract(epoch FROM clock_timestamp())::float8";
const INDEXES: &str = "SELECT COALESCE((string_to_array(i.indkey::text, ' '))[1] = c.attnum::text, false), \
     COALESCE((string_to_array(i.indkey::text, ' '))[1] = e.attnum::text \
     AND (string_to_array(i.indkey::text, ' '))[2] = c.attnum::text, false) \
     FROM pg_index i LEFT JOIN pg_attribute c ON c.attrelid = i.indrelid AND c.attname = 'created_at' \
     LEFT JOIN pg_attribute e ON e.attrelid = i.indrelid AND e.attname = 'event_type' \
     WHERE i.indrelid = to_regclass('observability_events') AND i.indisvalid";
/// Whether it is partitioned, if it is a table.
const IS_PARTITIONED: &str = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('observability_events') \
     AND relkind IN ('r', 'p')";
/// The unique keys of the table and its partitions without `id`, which reject other rows than those that are sent again, and the
/// constraints that have made these keys.
const OTHER_KEYS: &str = "SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text, quote_ident(k.conname) FROM pg_index i \
     LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('u', 'p', 'x') \
     WHERE (i.indrelid = to_regclass('observability_events') OR i.indrelid IN \
     (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('observability_events'))) \
     AND i.indisunique AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attname = 'id' \
     AND a.attnum::text = ANY (string_to_array(i.indkey::text, ' '))) ORDER BY 1";
/// The table and those of its partitions that a crash of the server empties.
const UNLOGGED: &str = "SELECT oid::regclass::text FROM pg_class WHERE relpersistence = 'u' AND (oid = to_regclass('observability_events') \
     OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('observability_events'))) ORDER BY 1";

impl Postgres {
    /// Checks the server, the table and whether the table takes these rows, and notes the findings.
    pub(crate) async fn check(&mut self, trials: &[Trial], checkup: &mut Checkup) {
        let mut connection = match self.connector.connect(Purpose::Write).await {
            Ok(connection) => connection,
            Err(error) => {
                let health = if error.is_lasting() { Health::Wrong } else { Health::Unknown };
                return checkup.note("connection", health, error.to_string());
            }
        };
        checkup.ok("connection", "the server answers and takes the login");
        if let Err(error) = self.look_around(&mut connection, trials, checkup).await {
            checkup.unknown("database", self.table.in_message(&error.to_string()));
        }
    }

    async fn look_around(
        &self,
        connection: &mut PgConnection,
        trials: &[Trial],
        checkup: &mut Checkup,
    ) -> Result<(), StepError> {
        begin(connection, Step::Insert).await?;
        tls(connection, checkup).await?;
        clock(connection, checkup).await?;
        let inserts = self.inserts(connection, trials, checkup).await?;
        roll_back(connection, Step::Insert).await?;
        if inserts {
            begin(connection, Step::Look).await?;
            keys(connection, &self.table, checkup).await?;
            queries::look(connection, &self.table, checkup).await?;
            indexes(connection, &self.table, checkup).await?;
            unlogged(connection, &self.table, checkup).await?;
            traffic::look(connection, &self.table, checkup).await?;
            roll_back(connection, Step::Look).await?;
        }
        Ok(())
    }

    /// Tries to insert the rows. Returns whether the table can be looked at further.
    async fn inserts(
        &self,
        connection: &mut PgConnection,
        trials: &[Trial],
        checkup: &mut Checkup,
    ) -> Result<bool, StepError> {
        let name = &self.table;
        if !place::look(connection, name, self.create_table, checkup).await? {
            return Ok(false);
        }
        match table::look(connection, name, &self.columns).await? {
            Ok(found) => {
                Tester::new(connection, name, &found, &self.columns).await?.try_all(trials, checkup).await?;
            }
            Err(error) => {
                checkup.wrong("table", name.in_message(&error.to_string()));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the table has a row of this type whose context has that mark.
    pub(crate) async fn has_marked(&mut self, event_type: &str, mark: &str) -> Result<bool, String> {
        let find = "SELECT EXISTS (SELECT FROM observability_events WHERE event_type = $1 \
             AND created_at > now() - interval '1 day' AND context::text LIKE '%' || $2 || '%')";
        let found = async {
            let mut connection = self.connector.connect(Purpose::Read).await?;
            let query = sqlx::query_scalar(AssertSqlSafe(self.table.in_sql(find).into_owned()));
            let found = query.bind(event_type).bind(mark).persistent(false).fetch_one(&mut connection);
            statement::<bool>(Step::Read, found).await
        };
        found.await.map_err(|error: StepError| self.table.in_message(&error.to_string()))
    }
}

/// The rows of a statement about the table.
async fn all<T>(connection: &mut PgConnection, name: &TableName, sql: &str) -> Result<Vec<T>, StepError>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let sql = AssertSqlSafe(name.in_sql(sql).into_owned());
    statement(Step::Look, sqlx::query_as(sql).persistent(false).fetch_all(connection)).await
}

async fn tls(connection: &mut PgConnection, checkup: &mut Checkup) -> Result<(), StepError> {
    let found = sqlx::query_as(TLS).persistent(false).fetch_one(connection);
    let (version, is_local): (String, bool) = statement(Step::Look, found).await?;
    match (version.is_empty(), is_local) {
        (false, _) => checkup.ok("tls", format!("the connection is encrypted ({version})")),
        (true, true) => checkup.ok("tls", "the connection is not encrypted, and stays on this machine"),
        (true, false) => checkup.ok(
            "tls",
            "the connection is not encrypted: add sslmode=verify-full to the URL on a network that you do not control",
        ),
    }
    Ok(())
}

async fn clock(connection: &mut PgConnection, checkup: &mut Checkup) -> Result<(), StepError> {
    let before = SystemTime::now();
    let theirs: f64 =
        statement(Step::Look, sqlx::query_scalar(CLOCK).persistent(false).fetch_one(connection)).await?;
    let middle = before + before.elapsed().unwrap_or_default() / 2;
    let ours = middle.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let skew = theirs - ours;
    if skew.abs() > SKEW {
        checkup.wrong(
            "clock",
            format!("the clock of the server is {skew:+.1} s from that of this machine: set both by NTP"),
        );
    } else {
        checkup.ok("clock", format!("the clock of the server is {skew:+.3} s from that of this machine"));
    }
    Ok(())
}

/// `ON CONFLICT DO NOTHING` is for rows that are sent again, and means every key.
async fn keys(
    connection: &mut PgConnection,
    name: &TableName,
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let found: Vec<(String, String, Option<String>)> = all(connection, name, OTHER_KEYS).await?;
    for (index, table, constraint) in found {
        let drop = match constraint {
            Some(constraint) => format!("ALTER TABLE {table} DROP CONSTRAINT {constraint}"),
            None => format!("DROP INDEX {index}"),
        };
        checkup.wrong(
            "constraints",
            format!(
                "a row that repeats the values of the unique key {index} is left out without an error: let the owner run {drop}, \
                 or add the column id to the key"
            ),
        );
    }
    Ok(())
}

async fn indexes(
    connection: &mut PgConnection,
    name: &TableName,
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let found: Vec<(bool,)> = all(connection, name, IS_PARTITIONED).await?;
    let [(is_partitioned,)] = found[..] else {
        checkup.ok("indexes", "not looked at: it is a view or there is no table");
        return Ok(());
    };
    // Postgres makes no index of a partitioned table beside its writers.
    let create = if is_partitioned { "CREATE INDEX" } else { "CREATE INDEX CONCURRENTLY" };
    let found: Vec<(bool, bool)> = all(connection, name, INDEXES).await?;
    let missing = [
        (found.iter().any(|(of_time, _)| *of_time), "(created_at DESC)"),
        (found.iter().any(|(_, of_type)| *of_type), "(event_type, created_at DESC)"),
    ];
    let missing: Vec<_> =
        missing.into_iter().filter(|(is_there, _)| !is_there).map(|(_, columns)| columns).collect();
    for columns in &missing {
        let text = format!("reports search the whole table: {create} ON {} {columns}", name.quoted());
        checkup.wrong("indexes", text);
    }
    if missing.is_empty() {
        checkup.ok("indexes", "reports find rows by time and by event type");
    }
    Ok(())
}

async fn unlogged(
    connection: &mut PgConnection,
    name: &TableName,
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let found: Vec<(String,)> = all(connection, name, UNLOGGED).await?;
    for (table,) in found {
        let text = format!(
            "{table} is UNLOGGED, so Postgres empties it after a crash: ALTER TABLE {table} SET LOGGED"
        );
        checkup.note("table", Health::Warning, text);
    }
    Ok(())
}
