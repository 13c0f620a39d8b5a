//! Finds the spans around a call. The line of JSON for a span that closes lists the spans that its thread is in. These are the
//! ones around the call only if the call is dropped there. Earlier lines of the same call have the right ones.

use std::collections::VecDeque;

use super::line::{Happening, LogLine, Span, SpanPath, is_same};

/// The most open spans that are remembered.
const MOST_OPEN: usize = 1000;

/// The spans in which events were, each with those around it.
#[derive(Default)]
pub(super) struct Parents {
    open: VecDeque<SpanPath>,
}

impl Parents {
    /// Remembers the spans of a line of JSON, and gives a span that closes those around it.
    pub(super) fn complete(&mut self, mut line: LogLine) -> LogLine {
        if let LogLine::InSpan(line) = &mut line {
            if let Happening::Closed { is_alone, .. } = &mut line.what {
                // The list is true of the span that the thread is in.
                self.note(&line.spans[..line.spans.len().saturating_sub(1)]);
                let (spans, lacks_parents) = self.around(std::mem::take(&mut line.spans));
                line.spans = spans;
                *is_alone |= lacks_parents;
            } else {
                self.note(&line.spans);
            }
        }
        line
    }

    fn note(&mut self, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        match self.open.iter_mut().rev().find(|open| is_same(open, spans)) {
            Some(open) => *open = spans.to_vec(),
            None => {
                if self.open.len() == MOST_OPEN {
                    self.open.pop_front();
                }
                self.open.push_back(spans.to_vec());
                self.note(&spans[..spans.len() - 1]);
            }
        }
    }

    /// The spans with the right ones around the last, and whether nothing says which these are.
    fn around(&mut self, closing: SpanPath) -> (SpanPath, bool) {
        // A path with the same names is of a call within other spans of these names, such as another job, and a part of the
        // path is of a span that calls itself.
        let is_own = |open: &SpanPath| {
            let is_part = open.len() < closing.len() && is_same(open, &closing[..open.len()]);
            !is_part
                && !open.iter().map(|span| &span.name).eq(closing.iter().map(|span| &span.name))
                && open
                    .last()
                    .zip(closing.last())
                    .is_some_and(|(open, own)| is_same(std::slice::from_ref(open), std::slice::from_ref(own)))
        };
        // Calls with the same name and fields may be open within several spans.
        let same = self.open.iter().position(|open| is_same(open, &closing));
        let place = same.or_else(|| self.open.iter().position(is_own));
        let Some(mut open) = place.and_then(|place| self.open.remove(place)) else {
            let is_alone = closing.len() == 1;
            return (closing, is_alone);
        };
        if same.is_some() {
            return (closing, false);
        }
        open.pop();
        open.extend(closing.into_iter().next_back());
        (open, false)
    }
}
