//! The spans that the benches record.

use std::hint::black_box;

use tracing::field::Empty;
use tracing::{info_span, trace_span};
use uuid::Uuid;

/// One planner call: seven fields of five types, two of them recorded at the end. The context of its row has
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

/// The number of planner calls in a [`job`].
pub const ATTEMPTS: u64 = 4;

/// A job with some planner calls. Each has seven fields, inherits four from the job, and is numbered and
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

/// A call with nearly as much text as a record can hold.
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

/// A call of the same size, without a rule and without a field that rules inherit.
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

/// A span without a rule, with a field that rules inherit: the ledger keeps the field for calls within the span.
pub fn carries(booking: Uuid) {
    let span = info_span!("carries", booking_id = %booking);
    drop(span.enter());
}

/// A span below the level of every layer.
pub fn unwanted(order: Uuid) {
    let span = trace_span!("unwanted", order = %order, delivered = Empty);
    let entered = span.enter();
    span.record("delivered", black_box(false));
    drop(entered);
}
