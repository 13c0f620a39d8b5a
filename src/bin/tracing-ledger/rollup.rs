//! `tracing-ledger rollup`: rolls past hours up, for `report --rollup`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tracing_ledger::Rules;
use tracing_ledger::report::Rollup;

use super::since::Since;
use super::{complain, print};

#[derive(Args)]
pub(super) struct RollupOptions {
    /// The database: postgres://… (in the environment `ps` does not show it)
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,

    /// The table of the rows, as TABLE or SCHEMA.TABLE; the rollup has TABLE_rollup and TABLE_rollup_hours
    #[arg(long, value_name = "NAME", env = "TRACING_LEDGER_TABLE", default_value = tracing_ledger::Builder::DEFAULT_TABLE)]
    table: String,

    /// Groups by these keys too, beside those of the rules: keys of the context, with dots into nested objects, or source or
    /// severity
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    by: Vec<String>,

    /// The rules that made the rows: they say which keys have the duration, the success and the reason
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,

    /// Looks for late rows from this time on: RFC 3339, or a length of time before now such as 90d [default: 14d; all at
    /// first]
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,

    /// Makes the two tables if they are not there; without this, the statements are printed
    #[arg(long)]
    create: bool,

    /// Rolls up again, for other rules or keys, all hours whose rows are still there
    #[arg(long)]
    rebuild: bool,
}

impl RollupOptions {
    pub(super) async fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let rollup = self.rollup()?;
        if !rollup.has_tables(&self.database_url).await? {
            print(&rollup.statements()?)?;
            if self.create {
                complain("note", "the statements above make the tables of the rollup");
            }
        }
        let done = rollup.run(&self.database_url).await?;
        print(&format!("{done}\n"))?;
        Ok(ExitCode::SUCCESS)
    }

    fn rollup(&self) -> Result<Rollup, Box<dyn Error>> {
        let mut rollup = Rollup::new().table(&self.table)?.create(self.create).rebuild(self.rebuild);
        for key in &self.by {
            rollup = rollup.by(key)?;
        }
        if let Some(path) = &self.rules {
            rollup = rollup.rules(Rules::from_path(path)?);
        }
        Ok(match self.since {
            Some(Since(since)) => rollup.since(since),
            None => rollup,
        })
    }
}
