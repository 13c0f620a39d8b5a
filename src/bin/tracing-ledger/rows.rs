//! Which rows a command is about.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use tracing_ledger::Rules;
use tracing_ledger::report::Question;

#[derive(Args)]
pub(crate) struct RowsOptions {
    /// The database: postgres://…, or sqlite:… in a build with that feature; several are read as one (in the environment
    /// `ps` does not show it)
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true, required = true)]
    pub(crate) database_url: Vec<String>,

    /// The table of the rows, as TABLE or SCHEMA.TABLE
    #[arg(long, value_name = "NAME", env = "TRACING_LEDGER_TABLE", default_value = tracing_ledger::Builder::DEFAULT_TABLE)]
    table: String,

    /// Only rows of this event type; may be given again
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    event: Vec<String>,

    /// Groups by these keys of the context together, with dots into nested objects, or by source or severity
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    by: Vec<String>,

    /// Only rows for which this holds, such as status>=500; may be given again
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,

    /// The rules that made the rows: they say which keys have the duration, the success and the reason
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl RowsOptions {
    /// Whether groups are asked for.
    pub(crate) fn is_grouped(&self) -> bool {
        !self.by.is_empty()
    }

    pub(crate) fn question(&self) -> Result<Question, Box<dyn Error>> {
        let mut question = Question::new().table(&self.table)?;
        question = self.event.iter().fold(question, Question::event);
        for key in &self.by {
            question = question.by(key)?;
        }
        for condition in &self.conditions {
            question = question.condition(condition)?;
        }
        Ok(match &self.rules {
            Some(path) => question.rules(Rules::from_path(path)?),
            None => question,
        })
    }
}
