//! The options of the suite, from the arguments that `cargo test` passes on and from the environment.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::faults::{self, Fault};

/// The faults to run, and how.
pub(crate) struct Arguments {
    pub(crate) seed: u64,
    pub(crate) list: bool,
    /// Zero in the short form.
    minutes: u64,
    exact: bool,
    /// Parts of the names of faults to run; all when there are none.
    names: Vec<String>,
    skipped: Vec<String>,
    none: bool,
}

impl Arguments {
    /// # Errors
    /// When the environment has no number where there is to be one.
    pub(crate) fn read() -> Result<Self, String> {
        let mut read = Self {
            seed: with_env("TORTURE_SEED")?.unwrap_or_else(|| RandomState::new().hash_one(()) >> 32),
            minutes: with_env("TORTURE_MINUTES")?.unwrap_or(0),
            list: false,
            exact: false,
            names: Vec::new(),
            skipped: Vec::new(),
            none: false,
        };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => read.list = true,
                "--exact" => read.exact = true,
                "--skip" => read.skipped.extend(arguments.next()),
                // Nothing here is ignored, and nothing is a benchmark.
                "--ignored" | "--bench" => read.none = true,
                // Of libtest's own, those that come with a value.
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => drop(arguments.next()),
                flag if flag.starts_with('-') => {}
                name => read.names.push(name.to_owned()),
            }
        }
        Ok(read)
    }

    pub(crate) fn faults(&self) -> Vec<&'static Fault> {
        faults::ALL.iter().filter(|fault| self.wants(fault) && self.can(fault)).collect()
    }

    /// Faults that were asked for and cannot be had on this machine.
    pub(crate) fn left_out(&self) -> Vec<&'static Fault> {
        faults::ALL.iter().filter(|fault| self.wants(fault) && !self.can(fault)).collect()
    }

    /// With the variable `CI` set, no fault may be left out.
    fn can(&self, fault: &Fault) -> bool {
        fault.takes.lacks().is_none() || env::var_os("CI").is_some()
    }

    fn wants(&self, fault: &Fault) -> bool {
        let is =
            |name: &String| if self.exact { fault.name == name } else { fault.name.contains(name.as_str()) };
        let named =
            if self.names.is_empty() { !fault.long || self.is_long() } else { self.names.iter().any(is) };
        named && !self.skipped.iter().any(is) && !self.none
    }

    pub(crate) fn is_long(&self) -> bool {
        self.minutes > 0
    }

    /// How many of so many lanes the faults take.
    pub(crate) fn lanes(&self, most: usize) -> usize {
        if self.is_long() { 1 } else { most.min(self.faults().len()) }
    }

    /// Whether there is time for another round.
    pub(crate) fn goes_on(&self, elapsed: Duration) -> bool {
        elapsed < Duration::from_secs(self.minutes.saturating_mul(60)) && !self.faults().is_empty()
    }

    /// How much of a fault that round brings.
    pub(crate) fn scale(&self, round: u32) -> u32 {
        if self.is_long() { (round + 2).min(6) } else { 1 }
    }
}

fn with_env(name: &str) -> Result<Option<u64>, String> {
    let Some(value) = env::var_os(name) else { return Ok(None) };
    let number = value.to_str().and_then(|value| value.parse().ok());
    number.map(Some).ok_or_else(|| format!("{name} takes a whole number, not {value:?}"))
}
