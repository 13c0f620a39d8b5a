//! The findings of a check of the ledger.

use std::fmt;

/// The result of [`Guard::check`](crate::Guard::check) or [`Builder::check`](crate::Builder::check).
///
/// `Display` has one line for each finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkup {
    /// In the order in which the parts of the ledger were looked at.
    pub findings: Vec<Finding>,
}

/// One part of the ledger that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The part, such as `rights`.
    pub topic: &'static str,
    /// Its state.
    pub health: Health,
    /// The facts, or the fault and what to do.
    pub text: String,
}

/// The state of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Health {
    /// As it should be.
    Ok,
    /// Rows are written, but something else may fail: rows that nobody has written yet would be rejected, a query of the
    /// documentation fails, a crash of the server would empty the table, or the clock of another machine is wrong.
    Warning,
    /// It could not be looked at.
    Unknown,
    /// Rows are lost, refused or late, or reports are slow, until someone acts.
    Wrong,
}

impl Checkup {
    /// The worst state of all findings.
    pub fn health(&self) -> Health {
        self.findings.iter().map(|finding| finding.health).max().unwrap_or(Health::Ok)
    }

    /// Adds a finding, such as one about another part of the service.
    pub fn note(&mut self, topic: &'static str, health: Health, text: impl Into<String>) {
        self.findings.push(Finding { topic, health, text: text.into() });
    }

    pub(crate) fn ok(&mut self, topic: &'static str, text: impl Into<String>) {
        self.note(topic, Health::Ok, text);
    }

    pub(crate) fn wrong(&mut self, topic: &'static str, text: impl Into<String>) {
        self.note(topic, Health::Wrong, text);
    }

    pub(crate) fn unknown(&mut self, topic: &'static str, text: impl Into<String>) {
        self.note(topic, Health::Unknown, text);
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Checkup {
    /// Notes rows whose `created_at` is yet to come, and the last one.
    pub(crate) fn note_ahead(&mut self, event_type: &str, rows: i64, last: &str) {
        let text = format!(
            "{event_type:?}: rows from the future: {rows}, the last at {last}: the clock of the machine that wrote them is ahead; \
             set it by NTP"
        );
        self.note("rows", Health::Warning, text);
    }
}

impl fmt::Display for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.health {
            Health::Ok => "ok",
            Health::Warning => "warn",
            Health::Unknown => "?",
            Health::Wrong => "WRONG",
        };
        write!(f, "{state:<6}{:<12}{}", self.topic, self.text)
    }
}
