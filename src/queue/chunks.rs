//! The way of records from their threads to the writer, packed in chunks.
//!
//! Each thread packs its records into its own chunk, and a full chunk goes through the channel. One channel operation for
//! each record, with the cache lines that it moves between cores, would be the largest cost of a span. The writer takes
//! the full chunks first, and then those that threads are still filling, so that no record waits for its chunk to fill.
//!
//! The channel is unbounded. The queue bounds the records, which it counts itself, and the bytes, which are counted
//! here as the memory of full chunks. Chunks that are being filled are not included: together they hold at most
//! 64 × 64 KiB and one more record each.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::chunk::Chunk;
use crate::record::Record;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{AtomicU64, Mutex, MutexGuard, thread_local};

/// The most records of a chunk: a divisor of the default batch, so that whole chunks fill it.
pub(crate) const RECORDS_PER_CHUNK: usize = 50;
/// The most bytes of a chunk: with these it is full too.
const BYTES: usize = 64 * 1024;
/// The number of chunks being filled, a power of two: more than most services have busy threads.
const LANES: usize = if cfg!(all(test, ledger_loom)) { 2 } else { 64 };
/// The most empty chunks that are kept, some 20 KB each. The next burst uses memory that was touched before.
const SPARE: usize = 1024;

thread_local! {
    /// The lane of the calling thread. It has no destructor, so it is available until the end of the thread.
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The chunks that threads fill, those that wait for the writer, and the empty ones.
pub(super) struct Chunks {
    lanes: Box<[Lane]>,
    /// The records of a full chunk: few if the bounds are narrow, so that the bounds are exact.
    records: usize,
    sender: Sender<Chunk>,
    receiver: Receiver<Chunk>,
    /// The bytes of the full chunks.
    bytes: AtomicU64,
    spare: Spare,
}

/// A chunk that a thread is filling, in its own cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Lane(Mutex<Chunk>);

impl Chunks {
    /// Makes the chunks for a queue of so many records.
    pub(super) fn new(records: usize) -> Self {
        let (sender, receiver) = channel::unbounded();
        Self {
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            records: RECORDS_PER_CHUNK.min(records),
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

    /// Whether the chunks have their usual size.
    pub(super) fn are_full_size(&self) -> bool {
        self.records == RECORDS_PER_CHUNK
    }

    /// Packs a record into the chunk of the calling thread. A full chunk goes to the writer.
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
        self.lanes[lane].0.lock()
    }

    /// Lets the calling thread fill that lane from now on.
    #[cfg(all(test, ledger_loom))]
    pub(super) fn choose_lane(lane: usize) {
        LANE.with(|own| own.set(Some(lane)));
    }

    /// Sends the records of a lane, under the lane's lock: a search for waiting records finds them in the lane or in
    /// the channel.
    #[cold]
    fn send(&self, mut lane: MutexGuard<'_, Chunk>) {
        let empty = self.spare.take().unwrap_or_else(|| Chunk::with_room(self.records));
        let mut chunk = std::mem::replace(&mut *lane, empty);
        chunk.trim();
        self.bytes.fetch_add(chunk.allocated() as u64, Ordering::Relaxed);
        // This also keeps a receiver, so that the channel is open as long as the queue exists.
        let sent = self.sender.send(chunk);
        debug_assert!(sent.is_ok(), "the queue holds a receiver");
    }

    /// The next chunk of waiting records. All leave through the channel and in its order, so that no later record
    /// leaves before those that were [sealed](Self::seal).
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

    /// Puts every present record before all later ones.
    pub(super) fn seal(&self) {
        self.lanes
            .iter()
            .map(|lane| lane.0.lock())
            .filter(|chunk| chunk.len() > 0)
            .for_each(|chunk| self.send(chunk));
    }

    /// The bytes of the full chunks that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns an empty chunk to the threads that fill them.
    pub(super) fn recycle(&self, mut chunk: Chunk) {
        chunk.reset();
        self.spare.keep(chunk);
    }
}

/// Empty chunks. The last one is used first, because it is more likely to be in a cache.
///
/// Models do not see its lock, because it orders only the use of memory.
#[derive(Default)]
struct Spare(parking_lot::Mutex<Vec<Chunk>>);

impl Spare {
    fn take(&self) -> Option<Chunk> {
        self.0.lock().pop()
    }

    fn keep(&self, chunk: Chunk) {
        let mut kept = self.0.lock();
        if kept.len() < SPARE {
            kept.push(chunk);
        }
    }
}
