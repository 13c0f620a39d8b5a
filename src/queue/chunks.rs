//! How records get from the threads that make them to the writer: packed in chunks.
//!
//! Each thread packs its records into a chunk of its own, and a full chunk goes over the channel whole: an operation
//! on the channel for each record, with the cache lines it moves between cores, would be the largest single cost of
//! a span. The writer takes full chunks first, and then has those sent that threads are still filling, so that no
//! record waits for its chunk to fill.
//!
//! The channel is the growing kind. The bounds are the queue's: records, which it counts itself, and bytes, which are
//! counted here, by the chunk, as what it takes in memory. Chunks that are still being filled are not in the sum:
//! together they hold at most 64 × 64 KiB and a record each.

use std::cell::Cell;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::chunk::Chunk;
use crate::record::Record;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{AtomicU64, Mutex, MutexGuard, thread_local};

/// The most records of a chunk; a divisor of the default batch, which is thus filled.
const RECORDS: usize = 50;
/// A chunk with that many bytes is full too.
const BYTES: usize = 64 * 1024;
/// Chunks being filled, a power of two: more than most services have busy threads.
const LANES: usize = if cfg!(all(test, ledger_loom)) { 2 } else { 64 };
/// The most empty chunks that are kept, some 20 KB each. After a burst memory that was touched before serves the next.
const SPARE: usize = 1024;

thread_local! {
    /// The calling thread's lane. No destructor: it can be had for as long as the thread runs.
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The chunks that are filled, those that wait for the writer, and those on their way back.
pub(super) struct Chunks {
    lanes: Box<[Lane]>,
    /// Records of a full chunk: few where the bounds are narrow, so that they are kept to the record.
    records: usize,
    sender: Sender<Chunk>,
    receiver: Receiver<Chunk>,
    /// Bytes that the full chunks take.
    bytes: AtomicU64,
    spare: Spare,
}

/// A chunk that a thread is filling, in cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Lane(Mutex<Chunk>);

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Chunk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunks {
    /// Chunks of at most so many records, or fewer.
    pub(super) fn new(records: usize) -> Self {
        let (sender, receiver) = channel::unbounded();
        Self {
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            records: RECORDS.min(records),
            sender,
            receiver,
            bytes: AtomicU64::new(0),
            spare: Spare::default(),
        }
    }

    /// The most records of one chunk.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Whether no bound made the chunks smaller.
    pub(super) fn are_full_size(&self) -> bool {
        self.records == RECORDS
    }

    /// Packs a record into the calling thread's chunk, which goes to the writer when it is full.
    #[inline]
    pub(super) fn push(&self, record: &mut Record) {
        let mut chunk = self.lane();
        chunk.push(record);
        if chunk.len() >= self.records || chunk.bytes() >= BYTES {
            self.send(chunk);
        }
    }

    /// The chunk that the calling thread fills.
    #[inline]
    fn lane(&self) -> MutexGuard<'_, Chunk> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        let lane = LANE.with(Cell::get).unwrap_or_else(|| {
            let lane = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
            LANE.with(|own| own.set(Some(lane)));
            lane
        });
        self.lanes[lane].lock()
    }

    /// From now on the calling thread fills that lane.
    #[cfg(all(test, ledger_loom))]
    pub(super) fn choose_lane(lane: usize) {
        LANE.with(|own| own.set(Some(lane)));
    }

    /// Sends what a lane holds. Under the lane's lock: whoever looks for waiting records finds them in the lane or in
    /// the channel.
    fn send(&self, mut lane: MutexGuard<'_, Chunk>) {
        let empty = self.spare.take().unwrap_or_else(|| Chunk::with_room(self.records));
        let mut chunk = std::mem::replace(&mut *lane, empty);
        chunk.trim();
        self.bytes.fetch_add(chunk.allocated() as u64, Ordering::Relaxed);
        // A receiver is held here too, so that the channel is open as long as there is a queue.
        let sent = self.sender.send(chunk);
        debug_assert!(sent.is_ok(), "the queue holds a receiver");
    }

    /// The next chunk of waiting records. They leave through the channel alone, in its order, so that nothing that
    /// came later is gone before what was [sealed](Self::seal).
    pub(super) fn next(&self) -> Option<Chunk> {
        self.receive().or_else(|| {
            self.seal();
            self.receive()
        })
    }

    fn receive(&self) -> Option<Chunk> {
        let chunk = self.receiver.try_recv().ok()?;
        self.bytes.fetch_sub(chunk.allocated() as u64, Ordering::Relaxed);
        Some(chunk)
    }

    /// Puts every record that is there now before all that come later.
    pub(super) fn seal(&self) {
        self.lanes.iter().map(Lane::lock).filter(|chunk| chunk.len() > 0).for_each(|chunk| self.send(chunk));
    }

    /// Bytes that full chunks take while they wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Gives an emptied chunk's memory back to the threads that fill them.
    pub(super) fn recycle(&self, mut chunk: Chunk) {
        chunk.reset();
        self.spare.keep(chunk);
    }
}

/// Emptied chunks. The one that was emptied last goes first: it is likelier to be in a cache.
///
/// Under a lock that models know nothing of: it orders nothing but the use of memory.
#[derive(Default)]
struct Spare(std::sync::Mutex<Vec<Chunk>>);

impl Spare {
    fn take(&self) -> Option<Chunk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, chunk: Chunk) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < SPARE {
            kept.push(chunk);
        }
    }
}
