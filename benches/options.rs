//! The options of a bench, as the command line gives them.

use std::env;
use std::path::PathBuf;
use std::process::exit;

/// The options of every bench.
#[derive(Debug)]
pub struct BenchOptions {
    /// `--rounds`: how often each variant is measured.
    pub rounds: usize,
    /// `--size`: the work of one measurement, in the unit of the bench.
    pub size: u64,
    /// `--plots`: the folder for the curves, if the bench draws any.
    pub plots: Option<PathBuf>,
}

impl BenchOptions {
    /// Overrides these defaults with the command line. Ends the process with the usage if it cannot read it.
    pub fn from_args(rounds: usize, size: u64, unit: &str) -> Self {
        let defaults = Self { rounds, size, plots: None };
        defaults.parse(env::args().skip(1)).unwrap_or_else(|why| {
            eprintln!(
                "{why}\noptions: --rounds N (default {rounds}), --size N ({unit}, default {size}), \
                 --plots DIR (where to draw the curves, if the bench has any)"
            );
            exit(2)
        })
    }

    fn parse(mut self, mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        while let Some(name) = args.next() {
            if name == "--bench" {
                continue; // what cargo adds
            }
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = || {
                let number = value.parse().ok().filter(|n| *n > 0);
                number.ok_or_else(|| format!("{name} needs a number above 0, not {value:?}"))
            };
            match name.as_str() {
                "--rounds" => self.rounds = number()? as usize,
                "--size" => self.size = number()?,
                "--plots" => self.plots = Some(value.into()),
                _ => return Err(format!("{name:?} is not an option of this bench")),
            }
        }
        Ok(self)
    }
}
