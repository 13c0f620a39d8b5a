//! What the benches measure the recording of.

use std::hint::black_box;

use tracing::field::Empty;
use tracing::info_span;
use uuid::Uuid;

/// One planner call: seven fields of five types, two of them known only at the end. The context of its row is
/// about 255 bytes.
pub fn quote(booking: Uuid) {
    let span = info_span!(
        "quote_tables_for_booking",
        booking_id = %booking,
        trigger = "creation",
        party_size = 4_u64,
        strategy.require_adjacency = true,
        load = 0.75,
        success = Empty,
        reason = Empty,
    );
    let entered = span.enter();
    span.record("success", black_box(false));
    span.record("reason", black_box("No suitable tables available"));
    drop(entered);
}
