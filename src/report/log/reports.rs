//! The reports of functions whose spans have not closed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::line::{EventText, FieldMap, Span, SpanPath, is_same};
use super::pairs::{places, plain};

/// The most calls that are remembered for an end that never comes.
pub(super) const MOST_PENDING: usize = 10_000;

#[derive(Debug, PartialEq)]
pub(super) enum CallReport {
    Failed(String),
    Returned(String),
    /// The fields of an event.
    Told(FieldMap),
}

impl CallReport {
    pub(super) fn fields(&self) -> FieldMap {
        match self {
            Self::Told(fields) => fields.clone(),
            Self::Failed(_) | Self::Returned(_) => FieldMap::new(),
        }
    }
}

#[derive(Default)]
pub(super) struct Reports {
    /// In the order of the log.
    pending: BTreeMap<u64, PendingReport>,
    /// Each report by one of its marks: without it, each span that closes would look at all reports of spans that never do.
    marked: HashMap<u64, BTreeSet<u64>>,
    next: u64,
    doubtful: u64,
}

struct PendingReport {
    mark: u64,
    spans: SpanPath,
    has_failed: bool,
    text: EventText,
}

impl Reports {
    pub(super) fn add(&mut self, spans: SpanPath, has_failed: bool, text: EventText) {
        if self.pending.len() == MOST_PENDING {
            let first = self.pending.first_key_value().map(|(number, _)| *number);
            first.and_then(|number| self.remove(number));
        }
        // The rarest field: the id of an order tells more than the name of a shop.
        let (names, fields) = marks(&spans);
        let reports = |mark: &u64| self.marked.get(mark).map_or(0, BTreeSet::len);
        let mark = fields.into_iter().min_by_key(reports).unwrap_or(names);
        self.marked.entry(mark).or_default().insert(self.next);
        self.pending.insert(self.next, PendingReport { mark, spans, has_failed, text });
        self.next += 1;
    }

    fn remove(&mut self, number: u64) -> Option<PendingReport> {
        let report = self.pending.remove(&number)?;
        if let Some(numbers) = self.marked.get_mut(&report.mark) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.marked.remove(&report.mark);
            }
        }
        Some(report)
    }

    /// The reports that the closing span may have made, and perhaps some others.
    fn candidates(&self, spans: &SpanPath) -> BTreeSet<u64> {
        if self.pending.is_empty() {
            return BTreeSet::new();
        }
        let (names, fields) = marks(spans);
        let found = fields.iter().chain([&names]).filter_map(|mark| self.marked.get(mark));
        found.flatten().copied().collect()
    }

    /// The number of failed calls whose error may be an event of the service with several fields.
    pub(super) fn doubtful(&self) -> u64 {
        self.doubtful
    }

    /// The reports of the closing span. It may have had fewer fields when it made them.
    pub(super) fn take(&mut self, spans: &SpanPath) -> Vec<CallReport> {
        let mut own = Vec::new();
        for number in self.candidates(spans) {
            let Some(report) = self.pending.get(&number) else { continue };
            if let Some(text) = report.text_of(spans) {
                own.extend(report.read(text));
                self.remove(number);
            }
        }
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
            EventText::Fields(_) => Some(""),
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
        if let EventText::Fields(fields) = &self.text {
            return Some((CallReport::Told(fields.clone()), false));
        }
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

/// A number for the names of the spans, and one for the names with each field. The spans of a report have no mark that they
/// lack when they close.
fn marks(spans: &[Span]) -> (u64, Vec<u64>) {
    let mut names = DefaultHasher::new();
    spans.iter().for_each(|span| span.name.hash(&mut names));
    let fields = spans.iter().enumerate().flat_map(|(place, span)| {
        let names = &names;
        span.fields.iter().map(move |(key, value)| {
            let mut mark = names.clone();
            (place, key, value.to_string()).hash(&mut mark);
            mark.finish()
        })
    });
    (names.finish(), fields.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(shop: &str, order: Option<usize>) -> SpanPath {
        let mut fields = FieldMap::from_iter([("shop".to_owned(), json!(shop))]);
        fields.extend(order.map(|order| ("order_id".to_owned(), json!(order))));
        vec![Span { name: "charge_card".to_owned(), fields }]
    }

    #[test]
    fn a_closing_span_looks_at_few_reports_and_takes_its_own_in_order() {
        let mut reports = Reports::default();
        let failed = |text: String| EventText::Exact(text);
        for order in 0..2 * MOST_PENDING {
            reports.add(span("a", Some(order)), true, failed(format!("order {order}")));
        }
        assert_eq!(reports.pending.len(), MOST_PENDING);
        assert!(reports.take(&span("a", Some(0))).is_empty(), "forgotten");
        // The first was made before the span knew its order.
        reports.add(span("b", None), true, failed("no order".to_owned()));
        reports.add(span("b", Some(7)), true, failed("no stock".to_owned()));
        let last = 2 * MOST_PENDING - 1;
        for closing in [span("a", Some(last)), span("b", Some(7)), span("b", Some(8)), span("a", None)] {
            assert!(reports.candidates(&closing).len() <= 2, "{closing:?}");
        }
        let texts = ["no order", "no stock"].map(|text| CallReport::Failed(text.to_owned()));
        assert_eq!(reports.take(&span("b", Some(7))), texts);
        assert_eq!(reports.take(&span("a", Some(last))), [CallReport::Failed(format!("order {last}"))]);
        assert!(
            reports.take(&span("a", Some(last))).is_empty() && reports.take(&span("b", Some(7))).is_empty()
        );
        assert_eq!(reports.marked.len(), reports.pending.len());
    }
}
