//! `tracing-ledger schema`: prints the statements that make the table.

use std::error::Error;

use clap::Args;
use tracing_ledger::store::Postgres;

#[derive(Args)]
pub(crate) struct Schema {
    /// For SQLite (in a build with that feature), not for Postgres
    #[arg(long)]
    sqlite: bool,

    /// The table, as TABLE or SCHEMA.TABLE
    #[arg(long, value_name = "NAME", env = "TRACING_LEDGER_TABLE", default_value = tracing_ledger::Builder::DEFAULT_TABLE)]
    table: String,
}

impl Schema {
    pub(crate) fn text(&self) -> Result<String, Box<dyn Error>> {
        if self.sqlite { sqlite(&self.table) } else { Ok(Postgres::schema(&self.table)?) }
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(table: &str) -> Result<String, Box<dyn Error>> {
    Ok(tracing_ledger::store::Sqlite::schema(table)?)
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<String, Box<dyn Error>> {
    Err("this command was built without SQLite: build it with the feature sqlite".into())
}
