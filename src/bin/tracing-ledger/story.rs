//! `tracing-ledger story`.

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tracing_ledger::report::{Story, story, story_of_logs};

use super::output::write;
use super::rows::PastOptions;
use super::{NO_ROW, complain};

/// The columns of a terminal whose width is unknown.
const COLUMNS: usize = 80;

#[derive(Args)]
pub(super) struct StoryOptions {
    /// The id of a booking, a restaurant, a row, a trace or a span, or KEY=VALUE with a key of the context
    id: String,

    #[command(flatten)]
    rows: PastOptions,

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
    /// One page that needs no network
    Html,
}

impl StoryOptions {
    pub(super) async fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let story = self.story().await?;
        if story.is_empty() {
            complain("note", &not_found(&story));
            return Ok(ExitCode::from(NO_ROW));
        }
        let text = match self.format {
            StoryFormat::Text => story.to_text(self.columns()),
            StoryFormat::Json => story.to_json() + "\n",
            StoryFormat::Html => story.to_html(),
        };
        write(self.out.as_deref(), &text)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn story(&self) -> Result<Story, Box<dyn Error>> {
        let question = self.rows.question(&[])?;
        if self.rows.from_log.is_empty() {
            return Ok(story(&self.id, &question, &self.rows.database_url).await?);
        }
        let (story, unread) = story_of_logs(&self.id, &question, &self.rows.from_log).await?;
        if unread.count() > 0 {
            complain("note", &unread.to_string());
        }
        Ok(story)
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

/// Says what to do where no row has the id. The id is not repeated: it may be a URL in the wrong place.
fn not_found(story: &Story) -> String {
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
