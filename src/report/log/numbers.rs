//! The numbers of calls within the spans that number them.

use std::collections::VecDeque;

use super::line::{Span, SpanPath, is_same};

/// The most open spans whose calls are numbered.
const MOST_OPEN: usize = 1000;

/// The spans that number calls, each with those around it, and the next numbers.
#[derive(Default)]
pub(super) struct Numbers {
    open: VecDeque<(SpanPath, Vec<(String, u32)>)>,
}

impl Numbers {
    /// The number of the next call of this event type within the last of these spans.
    pub(super) fn next(&mut self, within: &[Span], event_type: &str) -> u32 {
        let place = self.open.iter().rposition(|(open, _)| is_same(open, within)).unwrap_or_else(|| {
            if self.open.len() == MOST_OPEN {
                self.open.pop_front();
            }
            self.open.push_back((within.to_vec(), Vec::new()));
            self.open.len() - 1
        });
        let (open, numbers) = &mut self.open[place];
        if open != within {
            *open = within.to_vec();
        }
        match numbers.iter_mut().find(|(of, _)| of == event_type) {
            Some((_, next)) => {
                *next += 1;
                *next - 1
            }
            None => {
                numbers.push((event_type.to_owned(), 1));
                0
            }
        }
    }

    /// Forgets a span that closes: the next one may have the same fields.
    pub(super) fn close(&mut self, spans: &[Span]) {
        self.open.retain(|(open, _)| !is_same(open, spans));
    }
}
