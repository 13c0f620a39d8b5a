//! `tracing-ledger schema`: prints the statements that make the table.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use tracing_ledger::{Builder, Rules};

#[derive(Args)]
pub(crate) struct Schema {
    /// For SQLite (in a build with that feature), not for Postgres
    #[arg(long)]
    sqlite: bool,

    /// The table, as TABLE or SCHEMA.TABLE
    #[arg(long, value_name = "NAME", env = "TRACING_LEDGER_TABLE", default_value = Builder::DEFAULT_TABLE)]
    table: String,

    /// The rules of the service, whose columns the table gets too
    #[arg(long, value_name = "FILE", env = "TRACING_LEDGER_RULES")]
    rules: Option<PathBuf>,
}

impl Schema {
    pub(crate) fn text(&self) -> Result<String, Box<dyn Error>> {
        let mut builder = tracing_ledger::builder().table(&self.table);
        if let Some(path) = &self.rules {
            builder = builder.rules(Rules::from_path(path)?);
        }
        if self.sqlite { sqlite(&builder) } else { Ok(builder.schema()?) }
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(builder: &Builder) -> Result<String, Box<dyn Error>> {
    Ok(builder.sqlite_schema()?)
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &Builder) -> Result<String, Box<dyn Error>> {
    Err("this command was built without SQLite: build it with the feature sqlite".into())
}
