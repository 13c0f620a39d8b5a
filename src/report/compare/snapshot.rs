//! The figures of one side, as they are compared and as they are saved.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::figure_keys::FigureKeys;
use super::rows::{BYTE_ORDER_MARK, named};
use super::sketch::RowSketch;
use super::tally::{ATTEMPTS, LEVELS, SUCCESS};
use crate::error::Error;
use crate::escape::visible_json;
use crate::report::detail::Losses;
use crate::report::gather::cell::MOST_CELLS;
use crate::report::log::UnreadLines;
use crate::report::stats::blocks::{TimeBlocks, Variances};
use crate::report::stats::estimate::{Estimate, Statistic};
use crate::report::stats::quantile::Ranked;

/// The form of the file. A file of another form is refused.
const FORM: u32 = 2;

/// More groups make a file too large to commit.
const FEW_GROUPS: usize = 500;

/// The figures of some rows that a later comparison needs, small enough to commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Snapshot {
    tracing_ledger_baseline: u32,
    /// The rows, as the caller named them.
    pub(in crate::report) of: String,
    pub(in crate::report) first: String,
    pub(in crate::report) last: String,
    pub(in crate::report) rows: u64,
    /// Rows that cannot be read in full. Those without a time are in no figure.
    pub(in crate::report) unreadable: u64,
    /// Rows of no group, because too many groups came before.
    pub(super) ungrouped: u64,
    /// The lines of logs that could not be read.
    #[serde(skip)]
    pub(super) unread: UnreadLines,
    pub(super) is_log: bool,
    pub(super) sketch: RowSketch,
    /// `None` in files of earlier versions.
    #[serde(default)]
    pub(super) keys: Option<FigureKeys>,
    pub(super) filter: Filter,
    pub(in crate::report) blocks: TimeBlocks,
    /// `None` for a side that is a value, because a lost row has no values.
    pub(in crate::report) losses: Option<Losses>,
    pub(super) events: Vec<SideFigures>,
    /// Event type → key → value → rows.
    pub(super) mix: BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>,
}

/// Which rows count, and how they are grouped. Sides with different ones are not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filter {
    pub(super) events: Vec<String>,
    pub(super) by: Vec<String>,
    pub(super) conditions: Vec<String>,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("none");
        }
        let options = [("--event", &self.events), ("--by", &self.by), ("--where", &self.conditions)];
        let all = options.iter().flat_map(|(option, values)| values.iter().map(move |value| (option, value)));
        let all: Vec<_> = all.map(|(option, value)| format!("{option} {}", named(value))).collect();
        f.write_str(&all.join(" "))
    }
}

/// The figures of an event type, or of one of its groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SideFigures {
    pub(super) event_type: String,
    /// The values of the group; empty for all rows of the event type.
    pub(super) by: Vec<Option<String>>,
    pub(super) rows: u64,
    /// Bookings, else traces, else rows.
    pub(super) units: u64,
    #[serde(with = "super::histogram")]
    pub(super) durations: Arc<Ranked>,
    pub(super) figures: Vec<SavedFigure>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedFigure {
    pub(super) metric: String,
    pub(super) value: f64,
    pub(super) n: u64,
    pub(super) variances: Variances,
    /// The interval of the difference between every other block of time and the rest. Both have the same code, so it should
    /// include zero.
    pub(super) halves: Option<[f64; 2]>,
}

impl SavedFigure {
    /// Whether the blocks of time differ from each other more than chance explains.
    pub(super) fn differs_from_itself(&self) -> bool {
        self.halves.is_some_and(|[lo, hi]| lo > 0.0 || hi < 0.0)
    }
}

impl SideFigures {
    pub(super) fn figure(&self, metric: &str) -> Option<&SavedFigure> {
        self.figures.iter().find(|figure| figure.metric == metric)
    }

    pub(super) fn estimate(&self, metric: &str, blocks: TimeBlocks) -> Option<Estimate> {
        let figure = self.figure(metric)?;
        let level = LEVELS.iter().find(|(name, _)| *name == metric);
        let kind = match (metric, level) {
            (SUCCESS, _) => Statistic::Rate,
            (ATTEMPTS, _) => Statistic::Mean,
            (_, Some((_, level))) => Statistic::Quantile(*level, Arc::clone(&self.durations)),
            (_, None) => return None,
        };
        let SavedFigure { value, n, variances, .. } = *figure;
        let unit_size = (self.rows as f64 / self.units.max(1) as f64).max(1.0);
        Some(Estimate { kind, value, n, variances, least_blocks: blocks.least(), unit_size })
    }
}

impl Snapshot {
    pub(super) fn empty(of: &str, filter: Filter, blocks: TimeBlocks) -> Self {
        Self {
            tracing_ledger_baseline: FORM,
            of: of.to_owned(),
            first: String::new(),
            last: String::new(),
            rows: 0,
            unreadable: 0,
            ungrouped: 0,
            unread: UnreadLines::default(),
            is_log: false,
            sketch: RowSketch::default(),
            keys: None,
            filter,
            blocks,
            losses: None,
            events: Vec::new(),
            mix: BTreeMap::new(),
        }
    }

    /// Whether both come from the same log, whose rows have no ids: every figure is equal.
    pub(super) fn is_log_of(&self, other: &Self) -> bool {
        let is_figure = |(one, other): (&SavedFigure, &SavedFigure)| {
            // The last digit of a saved value may differ.
            let is_value = (one.value - other.value).abs() <= 1e-9 * one.value.abs();
            (&one.metric, one.n) == (&other.metric, other.n) && is_value
        };
        let is_same = |(one, other): (&SideFigures, &SideFigures)| {
            (&one.event_type, &one.by, one.rows, one.units)
                == (&other.event_type, &other.by, other.rows, other.units)
                && one.figures.len() == other.figures.len()
                && one.figures.iter().zip(&other.figures).all(is_figure)
        };
        self.is_log
            && other.is_log
            && (self.rows, &self.first, &self.last) == (other.rows, &other.first, &other.last)
            && self.losses == other.losses
            && self.events.len() == other.events.len()
            && self.events.iter().zip(&other.events).all(is_same)
    }

    /// The number of its rows, their time, and whether their days are enough to decide.
    pub fn summary(&self) -> String {
        let Self { of, first, last, rows, blocks, .. } = self;
        let figures = self.events.iter().flat_map(|event| &event.figures);
        let known = figures.map(|figure| figure.variances.times.blocks).max().unwrap_or_default();
        let (name, least) = (blocks.word(), blocks.least());
        let enough = match () {
            () if known >= least => String::new(),
            () => format!("; a comparison needs {least} {name}s to decide"),
        };
        let [of_rows, of_blocks] = [*rows, known.into()].map(|count| if count == 1 { "" } else { "s" });
        let of = named(of);
        let many = self.many_groups();
        format!(
            "{rows} row{of_rows} of {of} from {first} to {last}, in {known} {name}{of_blocks}{enough}{many}"
        )
    }

    /// Each group takes about 2 kB of the file.
    fn many_groups(&self) -> String {
        let groups = self.groups().count();
        let large = match groups {
            0..=FEW_GROUPS => String::new(),
            _ => format!("; {groups} groups make the file large: group by keys with fewer values"),
        };
        let rest = match self.ungrouped {
            0 => String::new(),
            rows => format!("; {rows} of the rows are in no group, because a side has at most {MOST_CELLS}"),
        };
        large + &rest
    }

    /// The figures of its groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = &SideFigures> {
        self.events.iter().filter(|event| !event.by.is_empty())
    }

    /// The keys to group by that no row has.
    pub fn keys_of_no_row(&self) -> impl Iterator<Item = &str> {
        let keys = self.filter.by.iter().enumerate();
        let has = |place| self.events.iter().any(|event| event.by.get(place).is_some_and(Option::is_some));
        keys.filter(move |(place, _)| !has(*place)).map(|(_, key)| key.as_str())
    }

    /// The lines of its logs that could not be read. A file does not keep them.
    pub fn unread_lines(&self) -> &UnreadLines {
        &self.unread
    }

    /// The file's contents.
    pub fn to_json(&self) -> String {
        // Serialising cannot fail: every key is a string.
        visible_json(serde_json::to_string_pretty(self).unwrap_or_default()) + "\n"
    }

    /// Reads a file's contents.
    ///
    /// # Errors
    /// [`Error::is_config`] if it is no baseline, or one of another version.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct BaselineHead {
            tracing_ledger_baseline: u32,
        }
        let no_baseline = |error: serde_json::Error| {
            Error::config("the file is no baseline: write one with \"baseline save\"").caused_by(error)
        };
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let head: BaselineHead = serde_json::from_str(text).map_err(no_baseline)?;
        if head.tracing_ledger_baseline != FORM {
            return Err(Error::config(format!(
                "the baseline has version {}, and this command reads version {FORM}: save it again",
                head.tracing_ledger_baseline
            )));
        }
        serde_json::from_str(text).map_err(no_baseline)
    }
}
