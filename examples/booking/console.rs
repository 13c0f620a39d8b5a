//! What the service says on stdout: the lines that the runbook searches for.

use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

/// One line. A reader who has hung up (`| head`) is no reason to stop.
pub(crate) fn say(line: &str) {
    writeln!(io::stdout().lock(), "{line}").ok();
}

/// `[auto-assign][job] <stage> {"bookingId": …, …}`.
pub(crate) fn job(stage: &str, booking: Uuid, details: Value) {
    let mut line = json!({ "bookingId": booking.to_string() });
    if let (Value::Object(line), Value::Object(details)) = (&mut line, details) {
        line.extend(details);
    }
    say(&format!("[auto-assign][job] {stage} {line}"));
}

/// Milliseconds with three decimals, as the rows of the ledger give them.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
