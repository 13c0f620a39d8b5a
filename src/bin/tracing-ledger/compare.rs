//! `baseline save` and `compare`.
//!
//! Exit status: 0 if all gates hold, 1 if one is broken, 2 if one is undecided or there is no answer.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use tracing_ledger::report::{Compare, Compared, GateResult, Snapshot, UnreadLines, page};

use super::complain;
use super::output::{Format, write};
use super::rows::{RowsOptions, note_keys_of_no_row};

/// The status of an undecided gate, and of a question without an answer.
const UNDECIDED: u8 = 2;

#[derive(Subcommand)]
pub(crate) enum Baseline {
    /// Saves the figures that a later comparison needs, in a file that is small enough to commit.
    Save(Save),
}

#[derive(Args)]
pub(crate) struct Save {
    /// The file to write
    file: PathBuf,

    /// The rows: a window such as 2026-11-01..2026-11-08 or 7d.., a value such as version=1.4, or a log (- is stdin)
    #[arg(default_value = "..", hide_default_value = true)]
    rows: String,

    /// Take these runs of an experiment as the rows, each a window or a value, with commas between them
    #[arg(long, value_name = "RUNS", value_delimiter = ',', conflicts_with = "rows")]
    runs: Vec<String>,

    #[command(flatten)]
    choice: SidesOptions,
}

#[derive(Args)]
pub(crate) struct CompareOptions {
    /// A saved file, a log (- is stdin), a window such as 2026-11-01..2026-11-08 or 7d.., or a value such as version=1.4
    #[arg(required_unless_present = "runs")]
    before: Option<String>,

    /// The other side, written alike
    #[arg(required_unless_present = "runs")]
    after: Option<String>,

    /// Compare runs of an experiment: those before, then those after, with commas between them; at least five a side
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with_all = ["before", "after"])]
    runs: Vec<String>,

    /// A limit for each whole event type, such as 'p95<=+10%', 'success>=-1pt' or 'attempts.mean<=2.25'; repeat it for
    /// more. Groups of --by have no gate: gate one with --where route=/orders
    #[arg(long, value_name = "LIMIT")]
    gate: Vec<String>,

    /// The exit status of undecided gates: pass is 0, fail is 1; without it 2. A gate without an answer stays 2
    #[arg(long, value_enum)]
    undecided: Option<Undecided>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    choice: SidesOptions,
}

#[derive(Args)]
struct SidesOptions {
    /// The database; give several to read their rows as one (in the environment `ps` does not show it)
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Vec<String>,

    #[command(flatten)]
    rows: RowsOptions,

    /// Also by these columns or keys of the context, hour or day, with commas between them
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    by: Vec<String>,

    /// Decide by eight parts of a window that has fewer than six days
    #[arg(long)]
    accept_short_window: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Undecided {
    /// Exit status 0
    Pass,
    /// Exit status 1
    Fail,
}

impl SidesOptions {
    fn comparer(&self) -> Result<Compare, Box<dyn Error>> {
        let comparer = Compare::new().table(&self.rows.table)?.short_window(self.accept_short_window);
        let comparer = comparer.rules(self.rows.rules()?);
        let comparer = self.database_url.iter().fold(comparer, Compare::database_url);
        let comparer = self.rows.event.iter().fold(comparer, Compare::event);
        let comparer = self.by.iter().fold(comparer, Compare::by);
        Ok(self.rows.conditions.iter().fold(comparer, Compare::condition))
    }
}

pub(crate) fn baseline(command: &Baseline) -> ExitCode {
    let Baseline::Save(options) = command;
    match save(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => no_answer(&*error),
    }
}

/// Whether this is a selection of rows in the place of the file. A file of such a name can be written as `./NAME`.
fn names_rows(file: &Path) -> bool {
    let Some(text) = file.to_str().filter(|text| !text.contains('/')) else { return false };
    let is_end = |end: &str| end.is_empty() || end.starts_with(|first: char| first.is_ascii_digit());
    let is_window = text.split_once("..").is_some_and(|(from, to)| is_end(from) && is_end(to));
    is_window || text == "-" || text.contains('=')
}

fn save(options: &Save) -> Result<(), Box<dyn Error>> {
    if names_rows(&options.file) {
        return Err(
            "the file comes first, then its rows: write tracing-ledger baseline save before.json ROWS".into(),
        );
    }
    let comparer = options.choice.comparer()?;
    let snapshot: Snapshot = super::runtime()?.block_on(async {
        match options.runs.as_slice() {
            [] => comparer.snapshot(&options.rows).await,
            runs => comparer.runs(&runs.iter().map(String::as_str).collect::<Vec<_>>()).await,
        }
    })?;
    note(snapshot.unread_lines());
    note_keys_of_no_row(snapshot.keys_of_no_row());
    write(Some(&options.file), &snapshot.to_json())?;
    complain("note", &format!("saved {}", snapshot.summary()));
    Ok(())
}

pub(crate) fn compare(options: &CompareOptions) -> ExitCode {
    let compared = compared(options).and_then(|compared| {
        output(options, &compared)?;
        Ok(compared)
    });
    match compared.map(|compared| compared.result()) {
        Ok(GateResult::Holds) => ExitCode::SUCCESS,
        Ok(GateResult::Broken) => ExitCode::FAILURE,
        Ok(GateResult::Undecided) => match options.undecided {
            Some(Undecided::Pass) => ExitCode::SUCCESS,
            Some(Undecided::Fail) => ExitCode::FAILURE,
            None => ExitCode::from(UNDECIDED),
        },
        Ok(_) => ExitCode::from(UNDECIDED),
        Err(error) => no_answer(&*error),
    }
}

fn compared(options: &CompareOptions) -> Result<Compared, Box<dyn Error>> {
    let comparer = options.choice.comparer()?;
    let sides = [&options.before, &options.after].map(|side| side.as_deref().unwrap_or_default());
    let gates: Vec<_> = options.gate.iter().map(String::as_str).collect();
    let compared = super::runtime()?.block_on(async {
        match options.runs.as_slice() {
            [before, after] => {
                let [before, after] = [before, after].map(|runs| runs.split(',').collect::<Vec<_>>());
                comparer.compare_runs([&before, &after], &gates).await
            }
            _ => comparer.compare(sides[0], sides[1], &gates).await,
        }
    })?;
    note(&compared.unread_lines());
    note_keys_of_no_row(compared.keys_of_no_row());
    Ok(compared)
}

fn note(unread: &UnreadLines) {
    if !unread.is_empty() {
        complain("note", &unread.to_string());
    }
}

fn output(options: &CompareOptions, compared: &Compared) -> Result<(), Box<dyn Error>> {
    let text = match options.format {
        Format::Text => super::text(compared, options.out.is_none()),
        Format::Md => compared.to_markdown(),
        Format::Json => compared.to_json() + "\n",
        Format::Csv => compared.to_csv(),
        Format::Html => html(options, compared)?,
    };
    write(options.out.as_deref(), &text)
}

/// The page has the rows of the side after, if that side has rows.
fn html(options: &CompareOptions, compared: &Compared) -> Result<String, Box<dyn Error>> {
    let Some(after) = &options.after else { return Ok(compared.to_html()) };
    let comparer = options.choice.comparer()?;
    let rows = super::runtime()?.block_on(comparer.rows(after, compared))?;
    Ok(rows.map_or_else(|| compared.to_html(), |rows| page(&rows, Some(compared))))
}

/// A question without an answer never has the status of a pass.
fn no_answer(error: &dyn Error) -> ExitCode {
    complain("error", &format!("{error:#}"));
    ExitCode::from(UNDECIDED)
}
