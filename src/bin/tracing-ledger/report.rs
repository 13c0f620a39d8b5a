//! `tracing-ledger report`.

use std::collections::HashSet;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tracing_ledger::report::{Question, Report, page, report, report_of_logs};

use super::output::{Format, write};
use super::progress::ProgressLine;
use super::rows::{PastOptions, known_event_types, note_keys_of_no_row};
use super::{NO_ROW, complain, text};

#[derive(Args)]
pub(super) struct ReportOptions {
    #[command(flatten)]
    rows: PastOptions,

    /// Groups by these keys of the context together, separated by commas, with dots into nested objects; or by hour, day,
    /// source or severity
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    by: Vec<String>,

    /// Answers from the tables of the command rollup: at once, with percentiles within 0.8 % of the exact ones
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

impl ReportOptions {
    pub(super) async fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let answer = self.answer().await?;
        write(self.out.as_deref(), &self.render(&answer))?;
        if !answer.is_empty() {
            note_keys_of_no_row(self.keys_of_no_row(&answer));
            for event in self.rows.rows.event.iter().filter(|event| answer.event(event).is_none()) {
                complain(
                    "note",
                    &format!("no row has the event type {}: check its name", event.escape_debug()),
                );
            }
            return Ok(ExitCode::SUCCESS);
        }
        complain("note", &format!("no row is selected; {}", self.hint().await?));
        Ok(ExitCode::from(NO_ROW))
    }

    async fn answer(&self) -> Result<Report, Box<dyn Error>> {
        let question = self.question()?;
        if self.rows.from_log.is_empty() {
            let line = ProgressLine::start();
            let question = match &line {
                Some(line) => question.progress(line.progress()),
                None => question,
            };
            return Ok(report(&question, &self.rows.database_url).await?);
        }
        if self.rollup {
            return Err("a log is not rolled up: leave out --rollup".into());
        }
        let (answer, unread) = report_of_logs(&question, &self.rows.from_log).await?;
        if !unread.is_empty() {
            complain("note", &unread.to_string());
        }
        Ok(answer)
    }

    fn question(&self) -> Result<Question, Box<dyn Error>> {
        let detail = self.detail || matches!(self.format, Format::Html);
        Ok(self.rows.question(&self.by)?.detail(detail).rollup(self.rollup))
    }

    /// The keys of `--by` that have made no group.
    fn keys_of_no_row(&self, answer: &Report) -> impl Iterator<Item = &str> {
        let groups = answer.events.iter().flat_map(|event| &event.groups);
        let values = groups.flat_map(|group| &group.by).filter(|(_, value)| value.is_some());
        let found: HashSet<&str> = values.map(|(key, _)| key.as_str()).collect();
        let is_found = move |key: &&str| found.contains(key);
        self.by.iter().map(String::as_str).filter(move |key| !is_found(key))
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

    /// Where to look for the rows that were expected.
    async fn hint(&self) -> Result<String, Box<dyn Error>> {
        if !self.rows.from_log.is_empty() {
            return Ok(
                "a log has rows where a span closes: give the fmt layer .with_span_events(FmtSpan::CLOSE), \
                 or check the event types, the conditions and the period"
                    .to_owned(),
            );
        }
        known_event_types(&self.rows.rows.table, &self.rows.database_url).await
    }
}
