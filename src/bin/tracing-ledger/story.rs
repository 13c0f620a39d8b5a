//! `tracing-ledger story`.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tracing_ledger::Rules;
use tracing_ledger::report::{Question, Story, story, story_of_logs};

use super::since::Since;
use super::{NO_ROW, complain, print};

/// The columns of a terminal whose width is unknown.
const COLUMNS: usize = 80;

#[derive(Args)]
pub(super) struct StoryOptions {
    /// The id of a booking, a restaurant, a row, a trace or a span, or KEY=VALUE with a key of the context
    id: String,

    /// The database: postgres://…, or sqlite:… in a build with that feature; several are read as one (in the environment
    /// `ps` does not show it)
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "from_log"
    )]
    database_url: Vec<String>,

    /// The table of the rows, as TABLE or SCHEMA.TABLE
    #[arg(long, value_name = "NAME", env = "TRACING_LEDGER_TABLE", default_value = tracing_ledger::Builder::DEFAULT_TABLE)]
    table: String,

    /// Reads these logs of a service instead of a database; - is stdin, and .gz and .zst are unpacked
    #[arg(long, value_name = "FILE", num_args = 1..)]
    from_log: Vec<PathBuf>,

    /// Only rows of this event type; may be given again
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    event: Vec<String>,

    /// Only rows from this time on: RFC 3339, or a span before now such as 2h or 7d
    #[arg(long, value_name = "TIME", visible_alias = "from")]
    since: Option<Since>,

    /// Only rows before this time
    #[arg(long, value_name = "TIME", visible_alias = "to")]
    until: Option<Since>,

    /// The rules that made the rows: they say which rows are jobs, and which keys have the duration and the reason
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: StoryFormat,

    /// Writes to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum StoryFormat {
    /// A waterfall of characters
    #[default]
    Text,
    /// One JSON object
    Json,
    /// One page, that needs no network
    Html,
}

impl StoryOptions {
    pub(super) async fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let story = self.story().await?;
        if story.is_empty() {
            complain("note", &nothing(&story));
            return Ok(ExitCode::from(NO_ROW));
        }
        let text = match self.format {
            StoryFormat::Text => story.to_text(self.columns()),
            StoryFormat::Json => story.to_json() + "\n",
            StoryFormat::Html => story.to_html(),
        };
        match &self.out {
            Some(path) => {
                fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?
            }
            None => print(&text)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn story(&self) -> Result<Story, Box<dyn Error>> {
        let question = self.question()?;
        if self.from_log.is_empty() {
            return Ok(story(&self.id, &question, &self.database_url).await?);
        }
        let (story, unread) = story_of_logs(&self.id, &question, &self.from_log).await?;
        if unread.count() > 0 {
            complain("note", &unread.to_string());
        }
        Ok(story)
    }

    fn question(&self) -> Result<Question, Box<dyn Error>> {
        let mut question = Question::new().table(&self.table)?;
        question = self.event.iter().fold(question, |question, event_type| question.event(event_type));
        if let Some(Since(since)) = self.since {
            question = question.since(since);
        }
        if let Some(Since(until)) = self.until {
            question = question.until(until);
        }
        Ok(match &self.rules {
            Some(path) => question.rules(Rules::from_path(path)?),
            None => question,
        })
    }

    /// A file has the usual columns, whatever the terminal has.
    fn columns(&self) -> usize {
        let of_shell = || env::var("COLUMNS").ok()?.parse().ok();
        let of_terminal = || Some(usize::from(crossterm::terminal::size().ok()?.0));
        let is_terminal = self.out.is_none() && io::stdout().is_terminal();
        let own = of_shell().or_else(|| if is_terminal { of_terminal() } else { None });
        if self.out.is_some() { COLUMNS } else { own.unwrap_or(COLUMNS) }
    }
}

/// What to do where no row has the id. The id is not repeated: it may be a URL in the wrong place.
fn nothing(story: &Story) -> String {
    let tried = match story.tried.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        [_] => "a key of the context".to_owned(),
        _ => String::new(),
    };
    format!(
        "no row has this id as {tried}; a trace_id has 32 hex digits, a span_id has 16, and KEY=VALUE names a key of the \
         context; check the id, --since, --until and the database",
    )
}
