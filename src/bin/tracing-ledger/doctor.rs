//! `tracing-ledger doctor`: checks whether a ledger works.
//!
//! Exit status: 0 if nothing is wrong, 1 if something is wrong, 2 if something could not be checked.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tracing_ledger::{Checkup, Error, Health, Rules};

#[derive(Args)]
pub(crate) struct Doctor {
    /// The database: postgres://…, or sqlite:… in a build with that feature (in the environment `ps` does not show it)
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,

    /// The table, as TABLE or SCHEMA.TABLE
    #[arg(long, value_name = "NAME", env = "TRACING_LEDGER_TABLE", default_value = tracing_ledger::Builder::DEFAULT_TABLE)]
    table: String,

    /// The rules of the service; without it the built-in ones
    #[arg(long, value_name = "FILE", env = "TRACING_LEDGER_RULES")]
    rules: Option<PathBuf>,

    /// The spool directory of the service
    #[arg(long, value_name = "DIR", env = "TRACING_LEDGER_SPOOL_DIR")]
    spool: Option<PathBuf>,

    /// Send one marked row through the whole path, and read it back
    #[arg(long)]
    write: bool,

    /// Seconds to wait for the database
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    timeout: u32,
}

impl Doctor {
    pub(crate) fn run(&self) -> ExitCode {
        let checkup = match self.look() {
            Ok(checkup) => checkup,
            Err(error) => {
                super::complain("error", &format!("{error:#}"));
                // Nothing was checked.
                return ExitCode::from(2);
            }
        };
        if let Err(error) = super::print(&checkup.to_string()) {
            super::complain("error", &error.to_string());
        }
        match checkup.health() {
            Health::Ok | Health::Warning => ExitCode::SUCCESS,
            Health::Wrong => ExitCode::FAILURE,
            _ => ExitCode::from(2),
        }
    }

    /// Rules and variables that are wrong are findings, and the rest is checked without them.
    fn look(&self) -> Result<Checkup, Error> {
        let mut faults = Checkup::default();
        let mut fault = |topic, error: Error| {
            let is_unread = error.source().is_some_and(|cause| cause.is::<io::Error>());
            let health = if is_unread { Health::Unknown } else { Health::Wrong };
            faults.note(topic, health, format!("{error:#}"));
        };
        if let Err(error) = tracing_ledger::builder().with_env()
            && !error.to_string().starts_with("TRACING_LEDGER_RULES ")
        {
            fault("environment", error);
        }
        let rules = self.rules.as_ref().map(Rules::from_path).transpose();
        let rules = rules.unwrap_or_else(|error| {
            fault("rules", error);
            None
        });
        let checkup = match (self.check(rules.clone()), rules) {
            // Rules that can be read may still name a variable that is not set: constants are made when a ledger is built.
            (Err(error), Some(_)) => {
                let checkup = self.check(None)?;
                fault("rules", error);
                checkup
            }
            (checkup, _) => checkup?,
        };
        // Without the rules of the service the built-in ones were checked, which says nothing about the service.
        let has_rules = !faults.findings.iter().any(|finding| finding.topic == "rules");
        faults
            .findings
            .extend(checkup.findings.into_iter().filter(|finding| has_rules || finding.topic != "rules"));
        Ok(faults)
    }

    fn check(&self, rules: Option<Rules>) -> Result<Checkup, Error> {
        let mut builder = tracing_ledger::builder().table(&self.table);
        if let Some(rules) = rules {
            builder = builder.rules(rules);
        }
        if let Some(dir) = &self.spool {
            builder = builder.spool_dir(dir);
        }
        let timeout = Duration::from_secs(self.timeout.into());
        if self.write {
            builder.check_by_writing(&self.database_url, timeout)
        } else {
            builder.check(&self.database_url, timeout)
        }
    }
}
