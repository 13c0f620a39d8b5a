//! Records, packed one after the other.

use crate::record::value::{Entry, Values};
use crate::record::{Head, Record, Tally, has_room};

/// Records on their way to the writer, packed.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    heads: Vec<(Head, End)>,
    values: Vec<Entry>,
    text: Vec<u8>,
    tallies: Vec<Tally>,
    /// The bytes that the heads have on the heap.
    beside: usize,
}

/// The ends of the parts of a packed record, which begin at the ends of the record before.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    values: u32,
    text: u32,
    tallies: u32,
    truncated: bool,
}

impl Chunk {
    /// An empty chunk with room for so many records of the usual size.
    pub(crate) fn with_room(records: usize) -> Self {
        let (heads, values) = (Vec::with_capacity(records), Vec::with_capacity(records * USUAL_VALUES));
        let text = Vec::with_capacity(records * USUAL_TEXT);
        Self { heads, values, text, tallies: Vec::new(), beside: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The bytes of its records, to bound the size of their rows.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.heads)
            + size_of_val(&*self.values)
            + self.text.len()
            + size_of_val(&*self.tallies)
            + self.beside
    }

    /// The bytes that the chunk takes in memory, to bound the queue.
    pub(crate) fn allocated(&self) -> usize {
        let heads = self.heads.capacity() * size_of::<(Head, End)>();
        let values = self.values.capacity() * size_of::<Entry>();
        let tallies = self.tallies.capacity() * size_of::<Tally>();
        heads + values + self.text.capacity() + tallies + self.beside
    }

    /// Packs a record, together with its parts on the heap.
    #[inline]
    pub(crate) fn push(&mut self, record: &mut Record) {
        let Record { head, fields, tallies } = record;
        self.beside += head.heap_bytes();
        extend(&mut self.values, &fields.values);
        extend(&mut self.text, &fields.text);
        if !tallies.is_empty() {
            extend(&mut self.tallies, tallies);
        }
        // The sum fits: a chunk has a few dozen records, and each is bounded.
        let end = End {
            values: self.values.len() as u32,
            text: self.text.len() as u32,
            tallies: self.tallies.len() as u32,
            truncated: fields.truncated,
        };
        if has_room(&self.heads, 1) {
            self.heads.push((head.take(), end));
        } else {
            self.grow((head.take(), end));
        }
    }

    /// Out of line, so that the usual head is written to its place at once.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, head: (Head, End)) {
        self.heads.push(head);
    }

    /// The records in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Head, Values<'_>)> {
        let mut start = End::default();
        self.heads.iter().map(move |(head, end)| {
            let values = self.values.get(start.values as usize..end.values as usize).unwrap_or_default();
            let text = self.text.get(start.text as usize..end.text as usize).unwrap_or_default();
            let tallies = self.tallies.get(start.tallies as usize..end.tallies as usize).unwrap_or_default();
            start = *end;
            (head, Values { values, text, tallies, truncated: end.truncated })
        })
    }

    /// Frees memory that was reserved for large records and is not used. Keeps the memory for usual records.
    pub(crate) fn trim(&mut self) {
        let usual = self.heads.capacity();
        self.values.shrink_to(2 * usual * USUAL_VALUES);
        self.text.shrink_to(2 * usual * USUAL_TEXT);
        self.tallies.shrink_to(usual * USUAL_TALLIES);
    }

    /// Empties the chunk and keeps its memory, unless unusual records made it large.
    pub(crate) fn reset(&mut self) {
        self.heads.clear();
        self.values.clear();
        self.text.clear();
        self.tallies.clear();
        self.beside = 0;
        self.trim();
    }
}

#[inline]
fn extend<T: Copy>(buffer: &mut Vec<T>, more: &[T]) {
    #[cold]
    #[inline(never)]
    fn grow<T: Copy>(buffer: &mut Vec<T>, more: &[T]) {
        buffer.extend_from_slice(more);
    }

    if has_room(buffer, more.len()) {
        buffer.extend_from_slice(more);
    } else {
        grow(buffer, more);
    }
}

/// The values of a usual record.
const USUAL_VALUES: usize = 12;
/// The tallies of a usual record: most records are not of jobs.
const USUAL_TALLIES: usize = 2;
/// The bytes of text of a usual record.
const USUAL_TEXT: usize = 128;
