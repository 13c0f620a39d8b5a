//! `tracing-ledger watch`: the last minutes on a terminal.

mod choice;
mod reader;
mod screen;
mod terminal;

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use tracing_ledger::report::Live;

use self::choice::WatchChoice;
use self::screen::Screen;
use super::length::short_window;
use super::rows::{LiveOptions, known_event_types};
use super::{NO_ROW, complain, is_dumb, print, runtime};

#[derive(Args)]
pub(super) struct Watch {
    #[command(flatten)]
    rows: LiveOptions,

    /// The length of the window at the beginning, such as 30s, 5min or 1h
    #[arg(long, value_name = "LENGTH", default_value = "5min", value_parser = short_window)]
    window: Duration,

    /// Prints one frame as text, and ends
    #[arg(long)]
    once: bool,
}

impl Watch {
    pub(super) fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let question = self.rows.question()?;
        let live = Live::new(&question, self.window, &self.rows.database_url)?;
        let mut choice = WatchChoice::new(self.window);
        choice.is_selective = self.rows.rows.is_selective();
        if self.once {
            return runtime()?.block_on(self.once(live, choice));
        }
        if !io::stdout().is_terminal() {
            return Err("stdout is no terminal: use --once for one frame as text".into());
        }
        if is_dumb() {
            return Err("TERM says that this terminal shows only lines: use --once for one frame as text, or set TERM".into());
        }
        terminal::run(live, choice)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn once(&self, mut live: Live, mut choice: WatchChoice) -> Result<ExitCode, Box<dyn Error>> {
        live.look().await?;
        let view = live.view(SystemTime::now()).await?;
        let is_empty = view.report.is_empty();
        let until = view.report.window.until.unwrap_or_else(SystemTime::now);
        if !self.rows.by.is_empty() {
            choice.step_group(&view);
        }
        let screen = Screen { view: Some(view), away: None, choice, now: until };
        let [columns, lines] = ["COLUMNS", "LINES"].map(|name| env::var(name).ok()?.parse::<u16>().ok());
        print(&screen.text(columns.unwrap_or(80), lines))?;
        if is_empty {
            let others = known_event_types(&self.rows.rows.table, &self.rows.database_url).await?;
            complain("note", &format!("no row is selected in the window; {others}"));
            return Ok(ExitCode::from(NO_ROW));
        }
        Ok(ExitCode::SUCCESS)
    }
}
