//! Which settings a rule has, and where they stand in a file: for the messages about mistakes.

use super::builder::Rule;
use super::fault::{Fault, Setting};
use super::model::MatchKind;

impl Rule {
    /// The next settings stand on this line of a file.
    pub(super) fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// All settings so far stand on this line of a file.
    pub(super) fn begun_at(mut self, line: usize) -> Self {
        self.settings.iter_mut().for_each(|setting| setting.line = Some(line));
        self.faults.iter_mut().for_each(|fault| fault.line = Some(line));
        self.at(line)
    }

    /// `span` or `event`: the setting that the rule begins with.
    pub(super) fn kind_key(&self) -> &'static str {
        match self.rule.matches.kind {
            MatchKind::Span => "span",
            MatchKind::Event => "event",
        }
    }

    /// A mistake in a setting, or in one entry of it.
    pub(super) fn fault(&self, key: &str, entry: &str, text: String) -> Fault {
        let of_key = || self.settings.iter().filter(|setting| setting.key == key);
        let setting = of_key().rfind(|setting| setting.entry == entry).or_else(|| of_key().next_back());
        // A default stands on no line: then the mistake is that of the whole rule.
        let line = setting.or(self.settings.first()).and_then(|setting| setting.line);
        Fault { line, text }
    }

    /// Notes a setting.
    pub(super) fn note(&mut self, key: &'static str, entry: &str) {
        self.settings.push(Setting { key, entry: entry.to_owned(), line: self.line });
    }

    /// Notes a mistake on the current line.
    pub(super) fn complain(&mut self, text: String) {
        self.faults.push(Fault { line: self.line, text });
    }

    /// Notes a setting by the name that it gives.
    pub(super) fn name(&mut self, key: &'static str, name: impl Into<String>) -> String {
        let name = name.into();
        self.note(key, &name);
        if name.trim().is_empty() {
            self.complain(format!("empty name in {key:?}: write a name"));
        }
        name
    }

    pub(super) fn names(
        &mut self,
        key: &'static str,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Vec<String> {
        names.into_iter().map(|name| self.name(key, name)).collect()
    }

    /// Notes an entry of a table, to be found under either of its names.
    pub(super) fn pair(
        &mut self,
        key: &'static str,
        left: impl Into<String>,
        right: impl Into<String>,
    ) -> (String, String) {
        (self.name(key, left), self.name(key, right))
    }

    /// Notes the key of a measured value, or that the value is left out.
    pub(super) fn key<'a>(&mut self, key: &'static str, name: impl Into<Option<&'a str>>) -> Option<String> {
        let name = name.into();
        if name.is_none() {
            self.note(key, "");
        }
        name.map(|name| self.name(key, name))
    }
}
