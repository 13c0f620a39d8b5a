//! Rows of a made-up service, as `psql \copy` would export them.

use serde_json::{Value, json};

/// A number between 0 and 1 that looks random.
fn noise(number: u64) -> f64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as f64 / (1_u64 << 24) as f64
}

fn uuid(number: u64) -> String {
    format!("0198d0f0-0000-7000-8000-{number:012x}")
}

fn moment(second: u64) -> String {
    format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}.25Z",
        2 + second / 86_400,
        second / 3600 % 24,
        second / 60 % 60,
        second % 60
    )
}

pub(crate) fn row(number: u64, second: u64, event_type: &str, context: Value) -> Value {
    json!({
        "id": uuid(number), "created_at": moment(second), "source": "api", "event_type": event_type,
        "severity": "info", "context": context, "restaurant_id": null, "booking_id": uuid(number / 3),
    })
}

/// Two days of three event types, a deploy after the first, and losses. `factor` is how long calls take.
pub(crate) fn rows(factor: f64) -> Vec<Value> {
    let order = |number: u64| {
        let fails = noise(number + 5000) < 0.1;
        let version = if number < 300 { "1.4.0" } else { "1.5.0" };
        let ms = (factor * (noise(number) * 5.0).exp() * 3000.0).round() / 1000.0;
        let context = json!({
            "duration_ms": ms, "success": !fails, "outcome": if fails { "error" } else { "ok" }, "version": version,
            "reason": if fails { Value::from(["card declined", "out of stock"][number as usize % 2]) } else { Value::Null },
            "shop": format!("shop {}", number % 6), "note": "a note on the call",
        });
        row(number, number * 288, "orders.create", context)
    };
    let quote = |number: u64| {
        let fails = number.is_multiple_of(9);
        let context = json!({
            "planner_duration_ms": (factor * (noise(number + 77) * 3.0).exp() * 9000.0).round() / 1000.0,
            "planner_success": !fails, "outcome": if fails { "error" } else { "ok" }, "flow": (["inline", "job"][number as usize % 2]),
            "planner_reason_code": "hard.no_capacity", "planner_reason_category": "hard", "trigger": "creation",
        });
        row(10_000 + number, number * 570, "auto_assign.quote", context)
    };
    let job = |number: u64| {
        let context = json!({
            "attemptsUsed": 1 + number % 4, "result": (["succeeded", "exhausted"][usize::from(number.is_multiple_of(5))]),
            "totalDurationMs": 100.5 * (1 + number % 7) as f64, "quoteDurationMs": 20.25, "trigger": "creation",
        });
        row(20_000 + number, number * 1500, "auto_assign.summary", context)
    };
    let loss = row(30_000, 90_000, "ledger.loss", json!({ "cause": "queue_full", "count": 17 }));
    (0..600).map(order).chain((0..300).map(quote)).chain((0..100).map(job)).chain([loss]).collect()
}
