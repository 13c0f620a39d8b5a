//! The reports of functions whose spans have not closed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::{SignedDuration, Timestamp};

use super::line::{EventText, FieldMap, Span, SpanPath, is_same};
use super::pairs::places;

/// The most calls that are remembered for an end that never comes.
pub(super) const MOST_PENDING: usize = 10_000;

/// The most reports that a span leaves for others with the same name and fields.
const MOST_ALIKE: usize = 100;

#[derive(Debug, PartialEq)]
pub(super) enum CallReport {
    Failed(String),
    Returned(String),
    /// The fields of an event.
    Event(FieldMap),
}

impl CallReport {
    pub(super) fn fields(&self) -> Option<&FieldMap> {
        match self {
            Self::Event(fields) => Some(fields),
            Self::Failed(_) | Self::Returned(_) => None,
        }
    }
}

#[derive(Default)]
pub(super) struct Reports {
    /// In the order of the log.
    pending: BTreeMap<u64, (u64, PendingReport)>,
    /// Each report by one of its marks: without it, each span that closes would look at all reports of spans that never do.
    marked: HashMap<u64, BTreeSet<u64>>,
    next: u64,
    doubtful: u64,
}

pub(super) struct PendingReport {
    pub(super) at: Option<Timestamp>,
    pub(super) spans: SpanPath,
    /// Of the function that has returned: its span has the same.
    pub(super) target: Option<String>,
    pub(super) what: ReportKind,
}

pub(super) enum ReportKind {
    Failed(EventText),
    Returned(EventText),
    Event {
        fields: FieldMap,
        /// In the compact form: all fields of the line, among them those of the spans.
        line: Option<FieldMap>,
    },
}

/// A span that closes.
pub(super) struct Closing<'a> {
    pub(super) at: Option<Timestamp>,
    pub(super) spans: &'a SpanPath,
    pub(super) target: Option<&'a str>,
    pub(super) took: SignedDuration,
}

impl Reports {
    pub(super) fn add(&mut self, report: PendingReport) {
        if self.pending.len() == MOST_PENDING {
            let first = self.pending.first_key_value().map(|(number, _)| *number);
            first.and_then(|number| self.remove(number));
        }
        // The rarest field: the id of an order tells more than the name of a shop.
        let (names, fields) = marks(&report.spans);
        let of_target = of_target(report.target.as_deref());
        let reports = |mark: &u64| self.marked.get(&(mark ^ of_target)).map_or(0, BTreeSet::len);
        let mark = fields.into_iter().min_by_key(reports).unwrap_or(names) ^ of_target;
        self.marked.entry(mark).or_default().insert(self.next);
        self.pending.insert(self.next, (mark, report));
        self.next += 1;
    }

    fn remove(&mut self, number: u64) -> Option<PendingReport> {
        let (mark, report) = self.pending.remove(&number)?;
        if let Some(numbers) = self.marked.get_mut(&mark) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.marked.remove(&mark);
            }
        }
        Some(report)
    }

    /// The reports that the closing span may have made, and perhaps some others.
    fn candidates(&self, closing: &Closing<'_>) -> BTreeSet<u64> {
        if self.pending.is_empty() {
            return BTreeSet::new();
        }
        let (names, fields) = marks(closing.spans);
        let targets = [None, closing.target].map(of_target);
        let marks = fields.iter().chain([&names]).flat_map(|mark| targets.map(|target| mark ^ target));
        marks.filter_map(|mark| self.marked.get(&mark)).flatten().copied().collect()
    }

    /// The number of failed calls whose error may be an event of the service with several fields.
    pub(super) fn doubtful(&self) -> u64 {
        self.doubtful
    }

    /// The reports of the closing span, in the order of the log. It may have had fewer fields when it made them.
    ///
    /// It returns once, and of its events with the same fields the first counts. The others may be of spans that are still
    /// open, with the same name and fields.
    pub(super) fn take(&mut self, closing: &Closing<'_>) -> Vec<CallReport> {
        let (mut own, mut taken, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for number in self.candidates(closing) {
            let Some((_, report)) = self.pending.get(&number) else { continue };
            let Some(text) = report.text_of(closing) else { continue };
            if let Some(names) = report.what.names() {
                if report.is_before(closing) || taken.contains(&names) {
                    left.push(number);
                    continue;
                }
                taken.push(names);
            }
            own.extend(report.read(text));
            self.remove(number);
        }
        for number in left.iter().rev().skip(MOST_ALIKE) {
            self.remove(*number);
        }
        let has_returned = own.iter().any(|(report, _)| matches!(report, CallReport::Returned(_)));
        own.retain(|(_, is_doubtful)| !(*is_doubtful && has_returned));
        self.doubtful += own.iter().filter(|(_, is_doubtful)| *is_doubtful).count() as u64;
        own.into_iter().map(|(report, _)| report).collect()
    }
}

impl ReportKind {
    /// The names of its fields, if a call has one report of them.
    fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::Event { fields, .. } => Some(fields.keys().cloned().collect()),
            Self::Returned(_) => Some(vec!["return".to_owned()]),
            Self::Failed(_) => None,
        }
    }
}

impl PendingReport {
    /// The text, if the closing span may have made the report.
    fn text_of(&self, closing: &Closing<'_>) -> Option<&str> {
        if !is_same(&self.spans, closing.spans) {
            return None;
        }
        let now = &closing.spans.last()?.fields;
        match &self.what {
            ReportKind::Event { line, .. } => {
                let is_own = line.as_ref().is_none_or(|line| {
                    agrees(line, now) && (now.is_empty() || line.keys().any(|key| now.contains_key(key)))
                });
                is_own.then_some("")
            }
            ReportKind::Failed(text) | ReportKind::Returned(text) => text.without(now),
        }
    }

    /// Whether the event was there before the span began, as far as the times of the log tell.
    fn is_before(&self, closing: &Closing<'_>) -> bool {
        let Some((at, end)) = self.at.zip(closing.at) else { return false };
        // Some logs have whole seconds, and the time of a span has three digits.
        let clock = SignedDuration::from_millis(if at.subsec_nanosecond() == 0 { 1000 } else { 2 });
        end.duration_since(at) > closing.took + closing.took / 100 + clock
    }

    /// Whether the report is doubtful, too. An event with several fields looks like an error that has `key=` in its text: only
    /// such an error has no quotes, and the level of errors.
    fn read(&self, text: &str) -> Option<(CallReport, bool)> {
        let text = text.to_owned();
        match &self.what {
            ReportKind::Event { fields, .. } => Some((CallReport::Event(fields.clone()), false)),
            ReportKind::Returned(_) => Some((CallReport::Returned(text), false)),
            ReportKind::Failed(EventText::Exact(_)) => Some((CallReport::Failed(text), false)),
            ReportKind::Failed(EventText::Loose { is_error, .. }) => {
                let is_doubtful = places(&format!("error={text}")).len() > 1;
                let is_call = !is_doubtful || *is_error && !text.starts_with('"');
                is_call.then_some((CallReport::Failed(text), is_doubtful))
            }
        }
    }
}

impl EventText {
    /// The text without the fields of its span, which has these now; `None` if the span has others.
    fn without(&self, now: &FieldMap) -> Option<&str> {
        match self {
            Self::Exact(text) => Some(text),
            Self::Loose { text, splits, .. } if splits.is_empty() => Some(text),
            Self::Loose { text, splits, .. } => {
                let is_own = |(_, then): &&(usize, FieldMap)| {
                    then.iter().all(|(key, value)| now.get(key) == Some(value))
                };
                let all = splits.first().filter(|(_, all)| agrees(all, now));
                let found = all.and_then(|_| splits.iter().find(is_own));
                let found = found.map(|(at, _)| text[..*at].trim_end());
                found.or_else(|| now.is_empty().then_some(text.as_str()))
            }
        }
    }
}

/// Whether the fields of a line may be of a span that has these now.
fn agrees(line: &FieldMap, now: &FieldMap) -> bool {
    line.iter().all(|(key, value)| now.get(key).is_none_or(|own| own == value))
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

/// The part of a mark that is of the target.
fn of_target(target: Option<&str>) -> u64 {
    target.map_or(0, |target| {
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        hasher.finish()
    })
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

    fn closes(spans: &SpanPath) -> Closing<'_> {
        Closing { at: None, spans, target: None, took: SignedDuration::ZERO }
    }

    fn take(reports: &mut Reports, spans: &SpanPath) -> Vec<CallReport> {
        reports.take(&closes(spans))
    }

    #[test]
    fn a_closing_span_looks_at_few_reports_and_takes_its_own_in_order() {
        let mut reports = Reports::default();
        let failed = |spans: SpanPath, text: String| PendingReport {
            at: None,
            spans,
            target: None,
            what: ReportKind::Failed(EventText::Exact(text)),
        };
        for order in 0..2 * MOST_PENDING {
            reports.add(failed(span("a", Some(order)), format!("order {order}")));
        }
        assert_eq!(reports.pending.len(), MOST_PENDING);
        assert!(take(&mut reports, &span("a", Some(0))).is_empty(), "forgotten");
        // The first was made before the span knew its order.
        reports.add(failed(span("b", None), "no order".to_owned()));
        reports.add(failed(span("b", Some(7)), "no stock".to_owned()));
        let last = 2 * MOST_PENDING - 1;
        for closing in [span("a", Some(last)), span("b", Some(7)), span("b", Some(8)), span("a", None)] {
            assert!(reports.candidates(&closes(&closing)).len() <= 2, "{closing:?}");
        }
        let texts = ["no order", "no stock"].map(|text| CallReport::Failed(text.to_owned()));
        assert_eq!(take(&mut reports, &span("b", Some(7))), texts);
        assert_eq!(take(&mut reports, &span("a", Some(last))), [CallReport::Failed(format!("order {last}"))]);
        assert!(
            take(&mut reports, &span("a", Some(last))).is_empty()
                && take(&mut reports, &span("b", Some(7))).is_empty()
        );
        assert_eq!(reports.marked.len(), reports.pending.len());
    }
}
