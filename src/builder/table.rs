//! The table and its columns.

use super::Builder;
use crate::columns::ColumnMap;
use crate::error::Error;
#[cfg(feature = "postgres")]
use crate::store::Postgres;
#[cfg(feature = "sqlite")]
use crate::store::Sqlite;
use crate::store::TableName;

impl Builder {
    /// The table for the rows, as `TABLE` or `SCHEMA.TABLE`. Without it: [`DEFAULT_TABLE`](Self::DEFAULT_TABLE), in the
    /// first schema of the search path that has it. The names count as they are written, upper case too, without
    /// quotation marks around them. A store of your own does not see this option.
    pub fn table(self, name: impl Into<String>) -> Self {
        Self { table: Some(name.into()), ..self }
    }

    /// The column that this key of the context fills, or `None` if it stays in the context. Without it: as `[all] columns`
    /// in the file of rules says, which this wins over, and else `restaurant_id` and `booking_id` fill the columns of
    /// these names.
    ///
    /// The text of the value goes there, and the database converts it. A row without the key has null there.
    /// [The page about all rows](crate::_docs::constants) says more. A store of your own does not see this option.
    ///
    /// ```
    /// let builder = tracing_ledger::builder().column("order_id", "order_id").column("booking_id", None);
    /// ```
    pub fn column<'a>(mut self, key: impl Into<String>, column: impl Into<Option<&'a str>>) -> Self {
        let key = key.into();
        self.columns.retain(|(other, _)| *other != key);
        self.columns.push((key, column.into().map(str::to_owned)));
        self
    }

    /// Whether to create the table if it is missing. Without it: no. A notice says that the table is missing,
    /// and the rows wait for it. A store of your own, given to [`build_with`](Self::build_with), does not see this option.
    pub fn create_table(self, create: bool) -> Self {
        Self { create_table: create, ..self }
    }

    /// The statements that make the [table](Self::table) for Postgres, with the columns that the [rules](Self::rules) and
    /// [`column`](Self::column) name. These columns have the type `text`, and are added to a table that exists.
    ///
    /// # Errors
    /// [`Error::is_config`] when the name of the table or of a column is wrong.
    #[cfg(feature = "postgres")]
    pub fn schema(&self) -> Result<String, Error> {
        Ok(Postgres::schema(&self.table_name()?, &self.filled()?))
    }

    /// The statements that make the table for SQLite: see [`schema`](Self::schema). SQLite adds no column to a table that is
    /// there already.
    ///
    /// # Errors
    /// As [`schema`](Self::schema).
    #[cfg(feature = "sqlite")]
    pub fn sqlite_schema(&self) -> Result<String, Error> {
        Ok(Sqlite::schema(&self.table_name()?, &self.filled()?))
    }

    pub(super) fn table_name(&self) -> Result<TableName, Error> {
        self.table.as_deref().map_or_else(|| Ok(TableName::default()), TableName::parse)
    }

    pub(super) fn filled(&self) -> Result<ColumnMap, Error> {
        self.rules.columns_with(&self.columns)
    }
}
