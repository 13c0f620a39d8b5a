//! The reports of functions whose spans have not closed.

use std::collections::VecDeque;

use super::line::{EventText, FieldMap, SpanPath, is_same};
use super::pairs::{places, plain};

/// The most calls that are remembered for an end that never comes.
pub(super) const MOST_PENDING: usize = 10_000;

#[derive(Debug, PartialEq)]
pub(super) enum CallReport {
    Failed(String),
    Returned(String),
}

#[derive(Default)]
pub(super) struct Reports {
    pending: VecDeque<PendingReport>,
    doubtful: u64,
}

struct PendingReport {
    spans: SpanPath,
    has_failed: bool,
    text: EventText,
}

impl Reports {
    pub(super) fn add(&mut self, spans: SpanPath, has_failed: bool, text: EventText) {
        if self.pending.len() == MOST_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(PendingReport { spans, has_failed, text });
    }

    /// The number of failed calls whose error may be an event of the service with several fields.
    pub(super) fn doubtful(&self) -> u64 {
        self.doubtful
    }

    /// The reports of the closing span. It may have had fewer fields when it made them.
    pub(super) fn take(&mut self, spans: &SpanPath) -> Vec<CallReport> {
        let mut own = Vec::new();
        self.pending.retain(|report| match report.text_of(spans) {
            Some(text) => {
                own.extend(report.read(text));
                false
            }
            None => true,
        });
        let has_returned = own.iter().any(|(report, _)| matches!(report, CallReport::Returned(_)));
        own.retain(|(_, is_doubtful)| !(*is_doubtful && has_returned));
        self.doubtful += own.iter().filter(|(_, is_doubtful)| *is_doubtful).count() as u64;
        own.into_iter().map(|(report, _)| report).collect()
    }
}

impl PendingReport {
    /// The text, if the closing span may have made the report.
    fn text_of(&self, closing: &SpanPath) -> Option<&str> {
        let [own, closed] = [&self.spans, closing].map(|spans| spans.last());
        if own?.name != closed?.name || !is_same(&self.spans, closing) {
            return None;
        }
        match &self.text {
            EventText::Exact(text) => Some(text),
            EventText::Loose { text, splits, .. } if splits.is_empty() => Some(text),
            EventText::Loose { text, splits, .. } => {
                let now = &closed?.fields;
                let is_own = |(_, then): &&(usize, FieldMap)| {
                    then.iter().all(|(key, value)| now.get(key) == Some(value))
                };
                let found = splits.iter().find(is_own).map(|(at, _)| text[..*at].trim_end());
                found.or_else(|| now.is_empty().then_some(text.as_str()))
            }
        }
    }

    /// The report, and whether it is doubtful. An event with several fields looks like an error that has `key=` in its text:
    /// only such an error has no quotes, and the level of errors.
    fn read(&self, text: &str) -> Option<(CallReport, bool)> {
        let EventText::Loose { is_error, .. } = self.text else {
            let text = text.to_owned();
            let report = if self.has_failed { CallReport::Failed(text) } else { CallReport::Returned(text) };
            return Some((report, false));
        };
        if !self.has_failed {
            return Some((CallReport::Returned(plain(text)), false));
        }
        let is_doubtful = places(&format!("error={text}")).len() > 1;
        let is_call = !is_doubtful || is_error && !text.starts_with('"');
        is_call.then(|| (CallReport::Failed(plain(text)), is_doubtful))
    }
}
