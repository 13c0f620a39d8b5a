//! Records packed one behind the other.

use crate::record::value::{Entry, Values};
use crate::record::{Head, Record, Tally};

/// Records on their way to the writer, packed.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    heads: Vec<(Head, End)>,
    values: Vec<Entry>,
    text: Vec<u8>,
    tallies: Vec<Tally>,
    /// Bytes that the heads have on the heap.
    beside: usize,
}

/// Where the parts of a packed record end; they begin where those of the one before it do.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    values: u32,
    text: u32,
    tallies: u32,
    truncated: bool,
}

impl Chunk {
    /// An empty one, with room for so many records of the usual size.
    pub(crate) fn with_room(records: usize) -> Self {
        let (heads, values) = (Vec::with_capacity(records), Vec::with_capacity(records * USUAL_VALUES));
        let text = Vec::with_capacity(records * USUAL_TEXT);
        Self { heads, values, text, tallies: Vec::new(), beside: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Bytes of its records: for bounding what they become.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.heads)
            + size_of_val(&*self.values)
            + self.text.len()
            + size_of_val(&*self.tallies)
            + self.beside
    }

    /// Bytes that it takes in memory: for bounding that.
    pub(crate) fn allocated(&self) -> usize {
        let heads = self.heads.capacity() * size_of::<(Head, End)>();
        let values = self.values.capacity() * size_of::<Entry>();
        let tallies = self.tallies.capacity() * size_of::<Tally>();
        heads + values + self.text.capacity() + tallies + self.beside
    }

    /// Packs a record; what it has on the heap goes along.
    pub(crate) fn push(&mut self, record: &mut Record) {
        let Record { head, fields, tallies } = record;
        self.beside += head.heap_bytes();
        self.values.extend_from_slice(&fields.values);
        self.text.extend_from_slice(&fields.text);
        self.tallies.extend_from_slice(tallies);
        // A chunk has a few dozen records, and each of them its limits.
        let end = End {
            values: self.values.len() as u32,
            text: self.text.len() as u32,
            tallies: self.tallies.len() as u32,
            truncated: fields.truncated,
        };
        self.heads.push((head.take(), end));
    }

    /// The records in the order they came.
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

    /// Gives back memory that large records made it take and do not need. What its usual ones need it keeps.
    pub(crate) fn trim(&mut self) {
        let usual = self.heads.capacity();
        self.values.shrink_to(2 * usual * USUAL_VALUES);
        self.text.shrink_to(2 * usual * USUAL_TEXT);
        self.tallies.shrink_to(usual * USUAL_TALLIES);
    }

    /// Empties it and keeps its memory, unless unusual records made it large.
    pub(crate) fn reset(&mut self) {
        self.heads.clear();
        self.values.clear();
        self.text.clear();
        self.tallies.clear();
        self.beside = 0;
        self.trim();
    }
}

/// Values of a usual record.
const USUAL_VALUES: usize = 12;
/// Most records are no job's.
const USUAL_TALLIES: usize = 2;
/// Bytes of text of a usual record.
const USUAL_TEXT: usize = 128;
