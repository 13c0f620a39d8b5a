//! Checks whether a ledger works: its rules, its spool and, on a separate thread, its database.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::columns::ColumnMap;
use crate::error::Error;
use crate::finding::{Checkup, Health};
use crate::row::{LOSS_KEYS, LOSS_SOURCE, LOSS_TYPE, Row};
use crate::rules::Rules;
use crate::rules::plan::EventKind;
use crate::severity::Severity;
use crate::spool;
use crate::store::{self, AnyStore, TableName, Trial};
use crate::suppressed;

/// The event type of the marked row.
const MARKED: &str = "ledger.check";
/// The end of the line about a database that answered at first.
const AFTER: &str = " after the lines above: another session may hold a lock, or a trigger may be slow; end it, or wait longer";
/// The finding about a check without a result.
const ENDED: &str = "not looked at, because the thread of the check could not start or panicked: raise the limits of the process on threads \
     and open files";
/// A check ends by its own clock, unless the work blocks its thread.
const MARGIN: Duration = Duration::from_millis(500);

/// The parts of a ledger that a check looks at.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) rules: Rules,
    pub(crate) spool_dir: Option<PathBuf>,
    /// `None` for a store of the program's own.
    pub(crate) place: Option<CheckedTable>,
}

/// Where the rows go.
#[derive(Clone)]
pub(crate) struct CheckedTable {
    pub(crate) url: String,
    pub(crate) table: TableName,
    pub(crate) columns: ColumnMap,
    /// The first rows make the table where it is not there.
    pub(crate) creates_table: bool,
}

impl std::fmt::Debug for CheckedTable {
    /// Without the URL, which holds the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckedTable").field("table", &self.table).finish_non_exhaustive()
    }
}

impl CheckedTable {
    fn open(&self) -> Result<AnyStore, Error> {
        store::open(&self.url, &self.table, &self.columns, self.creates_table)
    }
}

impl Subject {
    /// Looks at everything, and at the database for as long as the timeout.
    pub(crate) fn check(&self, timeout: Duration) -> Checkup {
        let mut checkup = Checkup::default();
        self.look_at_rules(&mut checkup);
        match &self.spool_dir {
            Some(dir) => spool::look(dir, &mut checkup),
            None => checkup.ok("spool", "none: rows wait in memory, and SIGKILL loses them"),
        }
        let Some(place) = self.place.clone() else {
            checkup.ok("database", "not looked at: rows go to a store of the program's own");
            return checkup;
        };
        let trials = self.trials();
        let looked = within(timeout, async move |done| {
            let mut checkup = Checkup::default();
            let mut store = match place.open() {
                Ok(store) => store,
                Err(error) => {
                    checkup.wrong("connection", format!("{error:#}"));
                    return done(checkup);
                }
            };
            if tokio::time::timeout(timeout, store.check(&trials, &mut checkup)).await.is_err() {
                let after = if checkup.findings.is_empty() { "" } else { AFTER };
                checkup.unknown("database", format!("no answer within {timeout:?}{after}"));
            }
            // Before the store ends, which may wait for the database.
            done(checkup);
        });
        match looked {
            Ok(looked) => checkup.findings.extend(looked.findings),
            Err(text) => checkup.unknown("database", text),
        }
        checkup
    }

    /// A row of each event type, source and severity that the ledger can write, with its constants.
    fn trials(&self) -> Vec<Trial> {
        let of_loss = LOSS_KEYS.map(|key| (key.to_owned(), Value::from("check")));
        let losses = EventKind {
            event_type: LOSS_TYPE.to_owned(),
            source: LOSS_SOURCE.to_owned(),
            severities: vec![Severity::Warning],
            is_type_guessed: false,
            is_source_guessed: false,
            set: self.rules.constants().iter().cloned().chain(of_loss).collect(),
            is_builtin: true,
        };
        let trials = self.rules.kinds().into_iter().chain([losses]).flat_map(|kind| {
            let guesses = [(kind.is_type_guessed, "event_type"), (kind.is_source_guessed, "source")];
            let guessed: Vec<_> =
                guesses.into_iter().filter(|(is_guessed, _)| *is_guessed).map(|(_, column)| column).collect();
            let is_whole = (&*kind.event_type, &*kind.source) == (LOSS_TYPE, LOSS_SOURCE);
            let (source, event_type): (Arc<str>, Arc<str>) = (kind.source.into(), kind.event_type.into());
            let context = Value::Object(kind.set.into_iter().collect::<Map<_, _>>()).to_string();
            let row = |severity| Row {
                severity,
                context: context.clone(),
                ..Row::new(SystemTime::now(), Arc::clone(&source), Arc::clone(&event_type))
            };
            let trial = |severity| Trial {
                row: row(severity),
                guessed: guessed.clone(),
                is_of_own_rule: !kind.is_builtin,
                is_whole,
            };
            kind.severities.into_iter().map(trial).collect::<Vec<_>>()
        });
        trials.collect()
    }

    fn look_at_rules(&self, checkup: &mut Checkup) {
        let dead = self.rules.dead();
        if dead.is_empty() {
            checkup.ok("rules", self.rules.count());
        }
        dead.into_iter().for_each(|text| checkup.wrong("rules", text));
        let overlooking = self.rules.overlooks_annotations();
        overlooking.into_iter().for_each(|text| checkup.note("rules", Health::Warning, text));
    }

    /// Notes whether the row with that mark has arrived.
    pub(crate) fn find(&self, mark: &str, timeout: Duration, checkup: &mut Checkup) {
        let Some(place) = self.place.clone() else { return };
        let wanted = mark.to_owned();
        let found = within(timeout, async move |done| {
            done(match place.open() {
                Ok(mut store) => store.has_marked(MARKED, &wanted).await,
                Err(error) => Err(format!("{error:#}")),
            });
        });
        match found {
            Ok(Ok(true)) => checkup.ok("write", "a marked row went all the way, and was read back"),
            Ok(Ok(false)) => checkup.wrong(
                "write",
                "a marked row was written and is not there: look for a trigger, a rule or a view that drops it",
            ),
            Ok(Err(error)) => checkup.unknown("write", format!("a marked row was written and cannot be read back: {error}")),
            Err(text) => checkup.unknown("write", text),
        }
    }
}

/// Whether the findings show that a row would not be written within any timeout.
pub(crate) fn takes_no_row(checkup: &Checkup) -> bool {
    checkup.findings.iter().any(|finding| match finding.topic {
        "connection" => finding.health != Health::Ok,
        "table" | "rights" => finding.health == Health::Wrong,
        _ => false,
    })
}

/// The rules of the marked row, which has the constants of all rows too.
pub(crate) fn marking_rules(constants: &[(String, Value)]) -> Result<Rules, Error> {
    Rules::from_rules([crate::rules::Rule::event(MARKED).target(MARKED)])?.with_constants(constants)
}

/// Emits the marked row.
pub(crate) fn mark(mark: &str) {
    tracing::info!(name: "ledger.check", target: "ledger.check", mark = mark);
}

/// Runs the work on a new thread with a runtime, and returns what it hands over. The ledger records nothing of that thread.
///
/// # Errors
/// The text of a finding: the timeout and [`MARGIN`] are over, or the thread has ended without a result.
fn within<T: Send + 'static>(
    timeout: Duration,
    work: impl AsyncFnOnce(&dyn Fn(T)) + Send + 'static,
) -> Result<T, String> {
    let (sender, result) = mpsc::sync_channel(1);
    let work = move || {
        suppressed::suppress_this_thread();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            // Nobody waits any more after the timeout.
            let done = move |result| drop(sender.send(result));
            runtime.block_on(work(&done));
        }
    };
    thread::Builder::new().name("tracing-ledger-check".to_owned()).spawn(work).map_err(|_| ENDED)?;
    result.recv_timeout(timeout.saturating_add(MARGIN)).map_err(|error| match error {
        RecvTimeoutError::Timeout => format!("no answer within {timeout:?}"),
        RecvTimeoutError::Disconnected => ENDED.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_whose_thread_ends_without_a_result_says_so() {
        let found = within::<()>(Duration::from_secs(60), async |_| panic!("as the test wants"));
        assert_eq!(found, Err(ENDED.to_owned()));
    }
}
