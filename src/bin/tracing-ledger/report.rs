//! `tracing-ledger report`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tracing_ledger::Rules;
use tracing_ledger::report::{Question, Report, event_types, page, report, report_of_logs};

use super::progress::ProgressLine;
use super::since::Since;
use super::{NO_ROW, complain, print, text};

/// More event types are not named in a message.
const MOST_NAMES: usize = 20;

#[derive(Args)]
pub(super) struct ReportOptions {
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

    /// Groups by these keys of the context together, with dots into nested objects, or by hour, day, source or severity
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    by: Vec<String>,

    /// Only rows for which this holds, such as status>=500; may be given again
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,

    /// Only rows from this time on: RFC 3339, or a span before now such as 2h or 7d
    #[arg(long, value_name = "TIME", visible_alias = "from")]
    since: Option<Since>,

    /// Only rows before this time
    #[arg(long, value_name = "TIME", visible_alias = "to")]
    until: Option<Since>,

    /// The rules that made the rows: they say which keys have the duration, the success and the reason
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,

    /// Answers from what the command rollup has rolled up: at once, and with percentiles within 1 %
    #[arg(long)]
    rollup: bool,

    /// Adds histograms, figures over time, the slowest and the failed calls, and the losses; only JSON shows them
    #[arg(long)]
    detail: bool,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Writes to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Aligned tables
    #[default]
    Text,
    /// Markdown tables
    Md,
    /// One JSON object
    Json,
    /// One line for each figure
    Csv,
    /// A page with charts: one file that needs no network
    Html,
}

impl ReportOptions {
    pub(super) async fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let answer = self.answer().await?;
        let rendered = self.render(&answer);
        match &self.out {
            Some(path) => fs::write(path, rendered)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?,
            None => print(&rendered)?,
        }
        if !answer.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        complain("note", &format!("no row is selected; {}", self.there_are().await?));
        Ok(ExitCode::from(NO_ROW))
    }

    async fn answer(&self) -> Result<Report, Box<dyn Error>> {
        let question = self.question()?;
        if self.from_log.is_empty() {
            let line = ProgressLine::start();
            let question = match &line {
                Some(line) => question.progress(line.progress()),
                None => question,
            };
            return Ok(report(&question, &self.database_url).await?);
        }
        if self.rollup {
            return Err("a log is not rolled up: leave out --rollup".into());
        }
        let (answer, unread) = report_of_logs(&question, &self.from_log).await?;
        if !unread.is_empty() {
            complain("note", &unread.to_string());
        }
        Ok(answer)
    }

    fn question(&self) -> Result<Question, Box<dyn Error>> {
        let detail = self.detail || matches!(self.format, Format::Html);
        let mut question = Question::new().table(&self.table)?.detail(detail).rollup(self.rollup);
        for event_type in &self.event {
            question = question.event(event_type);
        }
        for key in &self.by {
            question = question.by(key)?;
        }
        for condition in &self.conditions {
            question = question.condition(condition)?;
        }
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

    fn render(&self, answer: &Report) -> String {
        match self.format {
            Format::Text => text(answer, self.out.is_none()),
            Format::Md => answer.to_markdown(),
            Format::Json => answer.to_json() + "\n",
            Format::Csv => answer.to_csv(),
            Format::Html => page(answer, None),
        }
    }

    async fn there_are(&self) -> Result<String, Box<dyn Error>> {
        if !self.from_log.is_empty() {
            return Ok(
                "a log has rows where a span closes: give the fmt layer .with_span_events(FmtSpan::CLOSE), \
                 or check the event types, the conditions and the period"
                    .to_owned(),
            );
        }
        let types = event_types(&self.table, &self.database_url).await?;
        if types.is_empty() {
            return Ok("the ledger is empty: check the database, and that the service runs with the layer"
                .to_owned());
        }
        let names =
            types.iter().take(MOST_NAMES).map(|(name, count)| format!("{} ({count})", name.escape_debug()));
        Ok(format!("the ledger has the event types {}", names.collect::<Vec<_>>().join(", ")))
    }
}
