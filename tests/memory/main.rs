//! How much memory the ledger takes. Its allocator counts.

use counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

mod allocations;
mod counting;
mod open_spans;
mod queue;
mod spool;
