//! What the benches measure the recording of.

use std::hint::black_box;

use tracing::field::Empty;
use tracing::{info_span, trace_span};
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

/// Planner calls of a [`job`].
pub const ATTEMPTS: u64 = 4;

/// A job of some planner calls. Each has seven fields of its own, inherits four of the job's, and is numbered and
/// counted within it.
pub fn job(booking: Uuid) {
    let span = info_span!(
        "auto_assign.job",
        booking_id = %booking,
        restaurant_id = %booking,
        trigger = "creation",
        flow = "job",
        max_attempts = ATTEMPTS,
        result = Empty,
    );
    let entered = span.enter();
    (0..ATTEMPTS).for_each(attempt);
    span.record("result", black_box("exhausted"));
    drop(entered);
}

fn attempt(number: u64) {
    let span = info_span!(
        "quote_tables_for_booking",
        party_size = 4_u64,
        strategy.require_adjacency = true,
        strategy.max_tables = black_box(number),
        load = 0.75,
        window = "dinner",
        success = Empty,
        reason = Empty,
    );
    let entered = span.enter();
    span.record("success", black_box(false));
    span.record("reason", black_box("No suitable tables available"));
    drop(entered);
}

/// A call with nearly as much text as a record takes.
pub fn huge(booking: Uuid) {
    static TEXT: &str = match str::from_utf8(&[b'x'; 8 * 1024]) {
        Ok(text) => text,
        Err(_) => "",
    };
    let span = info_span!(
        "quote_tables_for_booking",
        booking_id = %booking,
        first = TEXT,
        second = TEXT,
        third = TEXT,
        fourth = TEXT,
        fifth = TEXT,
        sixth = TEXT,
        success = true,
    );
    drop(span.enter());
}

/// A call as large, of no rule and with no field that a rule inherits.
pub fn of_no_rule(order: Uuid) {
    let span = info_span!(
        "of_no_rule",
        order = %order,
        kind = "creation",
        items = 4_u64,
        is_paid = true,
        load = 0.75,
        delivered = Empty,
        remark = Empty,
    );
    let entered = span.enter();
    span.record("delivered", black_box(false));
    span.record("remark", black_box("No suitable tables available"));
    drop(entered);
}

/// A span of no rule with a field that a rule inherits: it may be around a call, and is followed.
pub fn carries(booking: Uuid) {
    let span = info_span!("carries", booking_id = %booking);
    drop(span.enter());
}

/// A span that is below the level of anybody's interest.
pub fn unwanted(order: Uuid) {
    let span = trace_span!("unwanted", order = %order, delivered = Empty);
    let entered = span.enter();
    span.record("delivered", black_box(false));
    drop(entered);
}
