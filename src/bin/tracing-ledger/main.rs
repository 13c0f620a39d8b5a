//! The command: reports on the ledger from a terminal.
//!
//! Exit status: 0 on success, 1 on failure (one line on stderr says why), 2 on wrong arguments, 3 where no row is
//! selected. No output ever contains the database's URL.

mod compare;
mod doctor;
mod length;
mod output;
mod progress;
mod report;
mod rollup;
mod rows;
mod schema;
mod serve;
mod since;
mod story;
mod watch;

use std::env;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind as Mistake};
use clap::{Parser, Subcommand};

use self::doctor::Doctor;
use self::report::ReportOptions;
use self::rollup::RollupOptions;
use self::schema::Schema;
use self::serve::Serve;
use self::story::StoryOptions;
use self::watch::Watch;

/// Reports on the ledger.
#[derive(Parser)]
#[command(name = "tracing-ledger", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Counts, success rates, percentiles and reasons of the rows of each event type.
    Report(ReportOptions),
    /// Baselines for later comparisons.
    #[command(subcommand)]
    Baseline(compare::Baseline),
    /// Two windows, versions or baselines side by side, and gates on the change.
    Compare(compare::CompareOptions),
    /// Everything on one booking, trace or job, in order, with its waits.
    Story(StoryOptions),
    /// The last minutes on a terminal: rates, success, quantiles, failures and losses.
    Watch(Watch),
    /// The page of the report on 127.0.0.1, over the rows as they come.
    Serve(Serve),
    /// Rolls past hours up into tables beside the rows, from which `report --rollup` answers at once.
    Rollup(RollupOptions),
    /// Checks whether a ledger works: database, rights, table, rules and spool.
    Doctor(Doctor),
    /// Prints the statements that make the table and its indexes.
    Schema(Schema),
}

/// Exit status where no row is selected.
const NO_ROW: u8 = 3;

/// The commands, as messages list them.
const COMMANDS: &str = "report, story, watch, serve, compare, baseline, rollup, doctor or schema";

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(Cli { command: Command::Report(options) }) => finish(run(options.run())),
        Ok(Cli { command: Command::Story(options) }) => finish(run(options.run())),
        Ok(Cli { command: Command::Watch(options) }) => finish(options.run()),
        Ok(Cli { command: Command::Serve(options) }) => finish(options.run()),
        Ok(Cli { command: Command::Baseline(command) }) => compare::baseline(&command),
        Ok(Cli { command: Command::Compare(options) }) => compare::compare(&options),
        Ok(Cli { command: Command::Rollup(options) }) => finish(run(options.run())),
        Ok(Cli { command: Command::Doctor(options) }) => options.run(),
        Ok(Cli { command: Command::Schema(options) }) => {
            finish(options.text().and_then(|text| Ok(print(&text).map(|()| ExitCode::SUCCESS)?)))
        }
        Err(error) => usage(&error),
    }
}

fn run(command: impl Future<Output = Result<ExitCode, Box<dyn Error>>>) -> Result<ExitCode, Box<dyn Error>> {
    runtime()?.block_on(command)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Prints to stdout. A reader that closes the pipe early (`| head`) is no failure.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot write to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// The text of an answer, with colours if it goes to a terminal that shows them.
fn text(answer: &impl Display, goes_to_stdout: bool) -> String {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if goes_to_stdout && io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb() {
        format!("{answer:#}")
    } else {
        answer.to_string()
    }
}

/// Whether the terminal understands nothing but text.
fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|terminal| terminal == "dumb")
}

/// Prints one line to stderr.
fn complain(kind: &str, text: &str) {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // If stderr is closed, nothing can report that.
    writeln!(io::stderr(), "{kind}: {line}").ok();
}

fn finish(result: Result<ExitCode, Box<dyn Error>>) -> ExitCode {
    result.unwrap_or_else(|error| {
        complain("error", &format!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// Prints help, the version, or the mistake in the arguments.
///
/// clap quotes arguments, and one in the wrong place may be a URL with a password: only names of options are repeated.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        complain("error", &format!("{}; see --help", mistake_in(error)));
    } else {
        // As with `complain`.
        error.print().ok();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn mistake_in(error: &clap::Error) -> String {
    let option = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        // Here the argument is the user's text.
        (Mistake::UnknownArgument | Mistake::InvalidSubcommand, _) => position(error),
        (_, None) => String::new(),
        (_, Some(ContextValue::Strings(options))) => format!(": {}", options.join(", ")),
        (_, Some(option)) => format!(": {option}"),
    };
    // The messages of this command's own parser are constants.
    let why = error.source().filter(|_| error.kind() == Mistake::ValueValidation);
    let why = why.map(|why| format!(", {why}")).unwrap_or_default();
    let lacks_url = error.kind() == Mistake::MissingRequiredArgument && option.contains("--database-url");
    let why = if lacks_url { ", or the environment's DATABASE_URL".to_owned() } else { why };
    let option = as_written(option);
    format!("{}{option}{}{why}", kind(error), accepted(error))
}

/// The name of an option that the user has written, which has two.
fn as_written(option: String) -> String {
    let is_written =
        |name| env::args_os().any(|argument| argument.to_string_lossy().split('=').next() == Some(name));
    let names = [("--since", "--from"), ("--until", "--to")];
    let other = names.into_iter().find(|(name, _)| option.contains(name) && !is_written(name));
    other
        .filter(|(_, alias)| is_written(alias))
        .map_or(option.clone(), |(name, alias)| option.replace(name, alias))
}

fn kind(error: &clap::Error) -> String {
    let has_no_value =
        matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty());
    match error.kind() {
        Mistake::DisplayHelpOnMissingArgumentOrSubcommand | Mistake::MissingSubcommand => {
            format!("a command is missing: use {COMMANDS}")
        }
        Mistake::InvalidValue if has_no_value => "a value is missing".to_owned(),
        Mistake::ArgumentConflict => match excluded(error) {
            Some(names) => format!("use only one of {names} and this argument"),
            None => "an option is given more than once".to_owned(),
        },
        kind => kind.to_string(),
    }
}

/// The arguments that exclude the wrong one; `None` if it is the same option again.
fn excluded(error: &clap::Error) -> Option<String> {
    let names = match error.get(ContextKind::PriorArg)? {
        ContextValue::String(name) => name.clone(),
        ContextValue::Strings(names) => names.join(", "),
        _ => return None,
    };
    let is_again =
        matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(name)) if *name == names);
    (!is_again).then_some(names)
}

/// The name of an unknown option, or where another argument is, as its text is not shown.
fn position(error: &clap::Error) -> String {
    let unknown = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].map(|kind| error.get(kind));
    let Some(ContextValue::String(unknown)) = unknown.into_iter().flatten().next() else {
        return String::new();
    };
    // A password is hardly a word of small letters behind two dashes.
    let name = unknown.strip_prefix("--").filter(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    });
    if name.is_some() {
        return format!(": {unknown}");
    }
    let position =
        env::args_os().skip(1).position(|argument| argument.to_string_lossy().starts_with(unknown));
    let position = position.map(|position| format!(": argument {}", position + 1)).unwrap_or_default();
    let is_option = unknown.starts_with('-') || error.kind() == Mistake::InvalidSubcommand;
    if is_option { position } else { position + ", a URL goes after --database-url" }
}

/// The names or values that are accepted there.
fn accepted(error: &clap::Error) -> String {
    let lists = [ContextKind::ValidValue, ContextKind::SuggestedArg].map(|kind| error.get(kind));
    match lists.into_iter().flatten().next() {
        Some(ContextValue::Strings(values)) if !values.is_empty() => format!(", use {}", values.join(", ")),
        Some(ContextValue::String(option)) => format!(", use {option}"),
        _ if error.kind() == Mistake::InvalidSubcommand => format!(", use {COMMANDS}"),
        _ => String::new(),
    }
}
