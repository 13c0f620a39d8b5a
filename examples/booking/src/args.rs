//! The command line of the demo.

use std::str::FromStr;

/// The output of `--help`.
pub(crate) const HELP: &str = "\
A booking service with tracing-ledger on it, and a run of 244 real parties through it.

cargo run --example booking -- [OPTIONS]

  --time-scale N  delays, timeouts and holds pass N times as fast as in production [default: 10]
  --calm          no panic of the planner, and no guest who hangs up
  --slower N      the planner takes N percent longer [default: 0]
  --latency N     the planner waits about N ms for the tables, as from a database in another place [default: 0]
  --serve         keep serving after the run, until Ctrl-C
  --port N        the port to serve on, on 127.0.0.1 [default: any free one]
  --help          this text

DATABASE_URL names the database (postgres://… or sqlite://…). Without it, a new booking-demo.sqlite3 in the
current directory replaces the one of the last run. The tables demo_* are made anew in either.";

/// The options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args {
    pub(crate) time_scale: u32,
    pub(crate) calm: bool,
    pub(crate) slower: u32,
    pub(crate) latency: u32,
    pub(crate) serve: bool,
    pub(crate) port: u16,
    pub(crate) help: bool,
}

impl Args {
    /// Reads the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args =
            Self { time_scale: 10, calm: false, slower: 0, latency: 0, serve: false, port: 0, help: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--calm" => args.calm = true,
                "--slower" => args.slower = number(&word, words.next())?,
                "--latency" => args.latency = number(&word, words.next())?,
                "--serve" => args.serve = true,
                "--help" | "-h" => args.help = true,
                "--port" => args.port = number(&word, words.next())?,
                "--time-scale" => args.time_scale = number(&word, words.next())?,
                _ => return Err(format!("{word:?} is no option of this demo: see --help")),
            }
        }
        if !(1..=100).contains(&args.time_scale) {
            return Err("--time-scale: give a number from 1 (the time of production) to 100".to_owned());
        }
        Ok(args)
    }
}

fn number<N: FromStr>(option: &str, value: Option<String>) -> Result<N, String> {
    let number = value.as_deref().and_then(|value| value.parse().ok());
    number.ok_or_else(|| format!("{option} wants a number, such as {option} 20"))
}
