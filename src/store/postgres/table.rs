//! The table as it is: a look into the catalogue for every connection, which needs no right.
//!
//! Rows are sent as text, and every column parses its own. So each type that takes the text of a value gets the same contents
//! by `COPY` and by `INSERT`. A table that would change the values, or that cannot recognise a row that is sent again, is
//! named with the change to make.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::classify::{Step, StepError};
use super::connect::statement;
use crate::columns::ColumnMap;
use crate::store::table_name::quoted;
use crate::store::{Failure, InsertError, TableName};

/// The columns that every row fills by default, in the order in which they are sent. Those that `columns` names follow.
const COLUMNS: [Column; 8] = [
    Column { name: "id", types: &["uuid"], length: 36, usual: "uuid" },
    Column { name: "created_at", types: &["timestamptz", "timestamp"], length: 27, usual: "timestamptz" },
    Column { name: "source", types: &[], length: 0, usual: "text" },
    Column { name: "event_type", types: &[], length: 0, usual: "text" },
    Column { name: "severity", types: &[], length: 8, usual: "text" },
    Column { name: "context", types: &["jsonb", "json"], length: 0, usual: "jsonb" },
    Column { name: "restaurant_id", types: &["uuid"], length: 36, usual: "uuid" },
    Column { name: "booking_id", types: &["uuid"], length: 36, usual: "uuid" },
];

/// Types that every column may have, as far as they are long enough.
const TEXTS: [&str; 4] = ["text", "varchar", "bpchar", "citext"];
/// Columns that may be of an enum.
const WORDS: [&str; 3] = ["source", "event_type", "severity"];

/// One column that is written.
struct Column {
    name: &'static str,
    /// The types it may have beside text.
    types: &'static [&'static str],
    /// The longest value, where that is known.
    length: i32,
    usual: &'static str,
}

/// The type of a column, below its domains. A domain of a domain of a domain is not looked through.
const LOOK_AT_COLUMNS: &str = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), \
     format_type(a.atttypid, -1), COALESCE(bb.typname, b.typname, t.typname)::text, \
     COALESCE(bb.typtype, b.typtype, t.typtype) = 'e', \
     COALESCE(NULLIF(a.atttypmod, -1), NULLIF(t.typtypmod, -1), b.typtypmod, -1), \
     CASE WHEN COALESCE(to_jsonb(a) ->> 'attgenerated', '') <> '' THEN 'EXPRESSION' WHEN a.attidentity = 'a' THEN 'IDENTITY' END, \
     CASE WHEN NOT has_schema_privilege(t.typnamespace, 'USAGE') THEN t.typnamespace::regnamespace::text END, \
     t.typnotnull AND t.typdefault IS NULL AND NOT a.atthasdef \
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
     LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
     LEFT JOIN pg_type bb ON b.typtype = 'd' AND bb.oid = b.typbasetype \
     WHERE a.attrelid = to_regclass('observability_events') AND a.attnum > 0 AND NOT a.attisdropped";

/// Looks at the tables that rows go into: the table itself, its partitions, the only table of a view without triggers.
/// Returns whether one of them has no key that recognises a row that is sent again, the name of a deferrable key, which is
/// checked too late for that, and the name of a rule, which `COPY` ignores and `ON CONFLICT` forbids.
const LOOK_AT_KEYS: &str = "WITH RECURSIVE tables (oid) AS (SELECT to_regclass('observability_events')::oid UNION \
     SELECT COALESCE(i.inhrelid, v.oid) FROM tables JOIN pg_class c USING (oid) \
     LEFT JOIN pg_inherits i ON i.inhparent = c.oid AND c.relkind = 'p' \
     LEFT JOIN LATERAL (SELECT min(d.refobjid) AS oid FROM pg_rewrite r JOIN pg_depend d ON d.objid = r.oid \
     AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid \
     WHERE r.ev_class = c.oid AND c.relkind = 'v' AND NOT c.relhastriggers \
     HAVING min(d.refobjid) = max(d.refobjid)) v ON true WHERE COALESCE(i.inhrelid, v.oid) IS NOT NULL) \
     SELECT COALESCE(bool_or(c.relkind = 'r' AND NOT c.relhassubclass AND NOT EXISTS (SELECT 1 FROM pg_index i \
     WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
     AND (SELECT bool_or(a.attname = 'id') \
     AND bool_and(a.attname IN ('id', 'created_at', 'source', 'event_type', 'severity')) \
     FROM pg_attribute a WHERE a.attrelid = c.oid \
     AND a.attnum = ANY ((string_to_array(i.indkey::text, ' '))[1:i.indnkeyatts]::int2[])))), false), \
     min((SELECT min(i.indexrelid::regclass::text) FROM pg_index i \
     WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indimmediate)), \
     min((SELECT min(r.rulename::text) FROM pg_rewrite r \
     WHERE r.ev_class = c.oid AND NOT c.relispartition AND r.ev_type IN ('2', '3') AND r.ev_enabled <> 'D')) \
     FROM tables JOIN pg_class c USING (oid)";

/// The foreign keys of the table and its partitions, and which references they hold.
const LOOK_AT_REFERENCES: &str = "SELECT k.conname::text, bool_or(a.attname = 'restaurant_id'), \
     bool_or(a.attname = 'booking_id') \
     FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) \
     WHERE k.contype = 'f' AND (k.conrelid = to_regclass('observability_events') OR k.conrelid IN \
     (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('observability_events'))) \
     GROUP BY k.conname";

/// The last three: `EXPRESSION` or `IDENTITY` if the server makes the values; the schema of the type if the role may not use it;
/// and whether the type needs a value and has no default.
type ColumnFound = (String, String, String, String, bool, i32, Option<String>, Option<String>, bool);
type KeysFound = (bool, Option<String>, Option<String>);

/// The facts about the table that an insert depends on.
#[derive(Debug)]
pub(super) struct TableFound {
    pub(super) insert: String,
    /// Foreign keys by name: whether they hold `restaurant_id` and `booking_id`.
    references: Vec<(String, bool, bool)>,
    /// The columns that rows fill.
    pub(super) filled: Vec<FilledColumn>,
}

/// A column that rows fill.
#[derive(Debug)]
pub(super) struct FilledColumn {
    pub(super) name: String,
    /// The field that it is filled from, if `columns` says so.
    pub(super) key: Option<String>,
    /// The type without a length.
    pub(super) declared: String,
    pub(super) is_text: bool,
    pub(super) is_enum: bool,
    /// The most characters.
    pub(super) length: Option<usize>,
}

/// Looks at the table, within a transaction.
pub(super) async fn look(
    connection: &mut PgConnection,
    name: &TableName,
    columns: &ColumnMap,
) -> Result<Result<TableFound, InsertError>, StepError> {
    let sql = |text| AssertSqlSafe(name.in_sql(text).into_owned());
    let found = sqlx::query_as(sql(LOOK_AT_COLUMNS)).persistent(false).fetch_all(&mut *connection);
    let found: Vec<ColumnFound> = statement(Step::Look, found).await?;
    let keys = sqlx::query_as(sql(LOOK_AT_KEYS)).persistent(false).fetch_one(&mut *connection);
    let keys: KeysFound = statement(Step::Look, keys).await?;
    let references = sqlx::query_as(sql(LOOK_AT_REFERENCES)).persistent(false).fetch_all(&mut *connection);
    let references = statement(Step::Look, references).await?;
    let found = TableFound::new(&found, columns, keys, references);
    Ok(found.map(|found| TableFound { insert: name.in_sql(&found.insert).into_owned(), ..found }))
}

impl TableFound {
    fn new(
        all: &[ColumnFound],
        columns: &ColumnMap,
        keys: KeysFound,
        references: Vec<(String, bool, bool)>,
    ) -> Result<Self, InsertError> {
        let found = |wanted: &str| all.iter().find(|(name, ..)| name == wanted);
        // If there is no table, the statement itself fails and says so.
        if !all.is_empty() {
            fixed(columns).try_for_each(|column| column.check(found(column.name)))?;
            columns.own().try_for_each(|(key, name)| check_own(key, name, found(name)))?;
        }
        let usual = fixed(columns).map(|column| (column.name, column.usual));
        let sent: Vec<_> = usual.chain(columns.own().map(|(_, name)| (name, "text"))).collect();
        all.iter()
            .try_for_each(|column| check_type(column, sent.iter().any(|(name, _)| *name == column.0)))?;
        check_keys(keys)?;
        let casts = sent.iter().map(|(name, usual)| found(name).map_or(*usual, |(_, _, cast, ..)| cast));
        let filled = sent.iter().map(|(name, _)| FilledColumn::new(name, columns, found(name))).collect();
        Ok(Self { insert: insert(columns, casts), references, filled })
    }

    /// Whether rows fill this column.
    pub(super) fn fills(&self, column: &str) -> bool {
        self.filled.iter().any(|filled| filled.name == column)
    }

    /// Whether the foreign key is one of those that were found.
    pub(super) fn has_key(&self, key: Option<&str>) -> bool {
        self.references.iter().any(|(name, ..)| Some(name.as_str()) == key)
    }

    /// Whether a foreign key holds `restaurant_id` and `booking_id`. An unknown one may hold both.
    pub(super) fn references(&self, key: Option<&str>) -> (bool, bool) {
        let known = self.references.iter().find(|(name, ..)| Some(name.as_str()) == key);
        known.map_or((true, true), |(_, restaurant, booking)| (*restaurant, *booking))
    }
}

/// The columns of every row, without those that `columns` leaves out.
fn fixed(columns: &ColumnMap) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| columns.has(column.name))
}

/// The names in statements, in the order in which columns are sent.
fn names(columns: &ColumnMap) -> Vec<String> {
    let own = columns.own().map(|(_, name)| quoted(name));
    fixed(columns).map(|column| column.name.to_owned()).chain(own).collect()
}

/// For batches that may be stored already. A conflict target or `RETURNING` would need the right to `SELECT`. All values
/// are text that Postgres casts, because the driver has no UUIDs and times by itself.
fn insert<'a>(columns: &ColumnMap, casts: impl Iterator<Item = &'a str>) -> String {
    let names = names(columns);
    let arrays: Vec<_> = (1..=names.len()).map(|number| format!("${number}::text[]")).collect();
    let values: Vec<_> = names.iter().zip(casts).map(|(name, cast)| format!("r.{name}::{cast}")).collect();
    let (names, values, arrays) = (names.join(", "), values.join(", "), arrays.join(", "));
    format!(
        "INSERT INTO observability_events ({names}) SELECT {values} FROM UNNEST({arrays}) AS r ({names}) \
         ON CONFLICT DO NOTHING"
    )
}

/// By `COPY`, for rows that are new.
pub(super) fn copy(columns: &ColumnMap) -> String {
    format!("COPY observability_events ({}) FROM STDIN", names(columns).join(", "))
}

impl FilledColumn {
    fn new(name: &str, columns: &ColumnMap, found: Option<&ColumnFound>) -> Self {
        let (_, _, declared, base, is_enum, modifier, ..) = found.cloned().unwrap_or_default();
        let key = columns.own().find(|(_, column)| *column == name).map(|(key, _)| key.to_owned());
        let is_text = TEXTS.contains(&base.as_str());
        // Postgres counts four bytes besides.
        let length = usize::try_from(modifier - 4).ok().filter(|length| is_text && *length > 0);
        Self { name: name.to_owned(), key, declared, is_text, is_enum, length }
    }
}

impl Column {
    fn check(&self, found: Option<&ColumnFound>) -> Result<(), InsertError> {
        let Self { name, usual, .. } = self;
        let Some((_, declared, _, base, is_enum, modifier, ..)) = found else {
            return Err(held(&format!(
                "the table observability_events has no column {name}; let its owner run ALTER TABLE observability_events ADD COLUMN \
                 {name} {usual}, and compare it with schema.sql"
            )));
        };
        check_made(found, usual)?;
        let is_text = TEXTS.contains(&base.as_str());
        let is_word = *is_enum && WORDS.contains(name);
        // Postgres counts four bytes besides.
        let is_long_enough = *modifier < 4 || modifier - 4 >= self.length;
        if self.types.contains(&base.as_str()) || is_word || (is_text && is_long_enough) {
            return Ok(());
        }
        Err(held(&format!(
            "the column {name} of observability_events is of type {declared}; make it {usual}, or a text that is long \
             enough, by ALTER TABLE observability_events ALTER COLUMN {name} TYPE {usual}"
        )))
    }
}

/// A column that `columns` fills may be of any type.
fn check_own(key: &str, name: &str, found: Option<&ColumnFound>) -> Result<(), InsertError> {
    match found {
        Some(_) => check_made(found, "text, or another one that takes the values"),
        None => {
            let name = quoted(name);
            Err(held(&format!(
                "the table observability_events has no column {name}, which \"columns\" fills from {key:?}; let its owner \
                 run ALTER TABLE observability_events ADD COLUMN {name} text, or give it the type of the values"
            )))
        }
    }
}

fn check_made(found: Option<&ColumnFound>, usual: &str) -> Result<(), InsertError> {
    match found {
        Some((name, _, _, _, _, _, Some(maker), ..)) => Err(held(&format!(
            "the server itself makes the column {name} of observability_events; make it a plain column of type {usual}, by ALTER \
             TABLE observability_events ALTER COLUMN {} DROP {maker}",
            quoted(name)
        ))),
        _ => Ok(()),
    }
}

/// Checks the cases in which `COPY` succeeds and `INSERT` fails.
fn check_type(column: &ColumnFound, is_known: bool) -> Result<(), InsertError> {
    let (name, declared, .., no_right, needs_value) = column;
    match no_right {
        Some(schema) if is_known => Err(held(&format!(
            "the role may not use the type {declared} of the column {name} of observability_events; let the owner run GRANT \
             USAGE ON SCHEMA {schema} TO that role"
        ))),
        _ if *needs_value && !is_known => Err(held(&format!(
            "the type {declared} of the column {name} of observability_events is NOT NULL, and the ledger does not know this \
             column; give it a default"
        ))),
        _ => Ok(()),
    }
}

fn check_keys(keys: KeysFound) -> Result<(), InsertError> {
    match keys {
        (_, _, Some(rule)) => Err(held(&format!(
            "observability_events has the rule {rule}, which COPY ignores and ON CONFLICT does not allow; use a trigger \
             instead"
        ))),
        (_, Some(key), _) => Err(held(&format!(
            "the key {key} of observability_events is DEFERRABLE, so a row that is sent again cannot be left out; make it NOT \
             DEFERRABLE"
        ))),
        (true, ..) => Err(held(
            "observability_events, or a partition, has no unique key on id, so a row that is sent again would be there \
             twice; add PRIMARY KEY (id), by ALTER TABLE observability_events ADD PRIMARY KEY (id)",
        )),
        _ => Ok(()),
    }
}

/// A person has to change the table.
fn held(message: &str) -> InsertError {
    InsertError::new(Failure::Hold, format!("cannot insert into Postgres: {message}"))
}
