//! The options that select rows.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use tracing_ledger::Rules;
use tracing_ledger::report::{Question, event_types};

use super::complain;
use super::since::Since;

/// A message names at most so many event types.
const MOST_NAMES: usize = 20;

#[derive(Args)]
pub(crate) struct RowsOptions {
    /// The table of the rows, as TABLE or SCHEMA.TABLE
    #[arg(long, value_name = "NAME", env = "TRACING_LEDGER_TABLE", default_value = tracing_ledger::Builder::DEFAULT_TABLE)]
    pub(crate) table: String,

    /// Only rows of these event types, with commas between them; may be given again
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) event: Vec<String>,

    /// Only rows for which this holds, such as status>=500; may be given again
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) conditions: Vec<String>,

    /// The rules that made the rows: they say which keys have the duration, the success and the reason
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

// Rows as they come. A doc comment would be shown as help.
#[derive(Args)]
pub(crate) struct LiveOptions {
    /// The database: postgres://…, or sqlite:… in a build with that feature; several are read as one (in the environment
    /// `ps` does not show it)
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true, required = true)]
    pub(crate) database_url: Vec<String>,

    #[command(flatten)]
    pub(crate) rows: RowsOptions,

    /// Groups by these keys of the context together, with dots into nested objects, or by source or severity
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
}

// Rows of a period, or of a log.
#[derive(Args)]
pub(crate) struct PastOptions {
    /// The database: postgres://…, or sqlite:… in a build with that feature; several are read as one (in the environment
    /// `ps` does not show it)
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "from_log"
    )]
    pub(crate) database_url: Vec<String>,

    /// Reads these logs of a service instead of a database; - is stdin, and .gz and .zst are unpacked
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) from_log: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) rows: RowsOptions,

    /// Only rows from this time on: RFC 3339, a day or a time in UTC, or a length of time before now such as 2h or 7d
    #[arg(long, value_name = "TIME", visible_alias = "from", allow_hyphen_values = true)]
    since: Option<Since>,

    /// Only rows before this time
    #[arg(long, value_name = "TIME", visible_alias = "to", allow_hyphen_values = true)]
    until: Option<Since>,
}

/// Keys of `--by` that have made no group.
pub(crate) fn note_keys_of_no_row<'a>(keys: impl Iterator<Item = &'a str>) {
    for key in keys {
        complain("note", &format!("no row has the key {}: check its name", key.escape_debug()));
    }
}

/// The event types of the ledger, for a question that selects no row.
pub(crate) async fn known_event_types(table: &str, urls: &[String]) -> Result<String, Box<dyn Error>> {
    let types = event_types(table, urls).await?;
    if types.is_empty() {
        return Ok(
            "the ledger is empty: check the database, and that the service runs with the layer".to_owned()
        );
    }
    let names =
        types.iter().take(MOST_NAMES).map(|(name, count)| format!("{} ({count})", name.escape_debug()));
    Ok(format!("the ledger has the event types {}", names.collect::<Vec<_>>().join(", ")))
}

impl RowsOptions {
    /// Whether there are conditions on the rows.
    pub(crate) fn is_selective(&self) -> bool {
        !self.event.is_empty() || !self.conditions.is_empty()
    }

    pub(crate) fn rules(&self) -> Result<Rules, tracing_ledger::Error> {
        self.rules.as_ref().map_or_else(|| Ok(Rules::builtin()), Rules::from_path)
    }

    fn question(&self, by: &[String]) -> Result<Question, Box<dyn Error>> {
        let question = Question::new().table(&self.table)?.rules(self.rules()?);
        let question = self.event.iter().fold(question, Question::event);
        let question = by.iter().try_fold(question, |question, key| question.by(key))?;
        Ok(self.conditions.iter().try_fold(question, |question, condition| question.condition(condition))?)
    }
}

impl LiveOptions {
    pub(crate) fn question(&self) -> Result<Question, Box<dyn Error>> {
        self.rows.question(&self.by)
    }
}

impl PastOptions {
    pub(crate) fn question(&self, by: &[String]) -> Result<Question, Box<dyn Error>> {
        if let (Some(Since(since)), Some(Since(until))) = (self.since, self.until)
            && since >= until
        {
            return Err("the window ends before it begins: give --since an earlier time than --until".into());
        }
        let mut question = self.rows.question(by)?;
        if let Some(Since(since)) = self.since {
            question = question.since(since);
        }
        if let Some(Since(until)) = self.until {
            question = question.until(until);
        }
        Ok(question)
    }
}
