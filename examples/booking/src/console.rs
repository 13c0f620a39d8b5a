//! The console lines of the service for its staff, which the runbook searches for.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

/// Takes lines.
pub struct Console(Box<dyn Fn(&str) + Send + Sync>);

impl Console {
    /// Gives each line to `print`.
    pub fn new(print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Box::new(print))
    }

    pub fn say(&self, line: &str) {
        (self.0)(line);
    }

    /// `[auto-assign][job] <stage> {"bookingId": …, …}`.
    pub fn job(&self, stage: &str, booking: Uuid, details: Value) {
        let mut line = json!({ "bookingId": booking.to_string() });
        if let (Value::Object(line), Value::Object(details)) = (&mut line, details) {
            line.extend(details);
        }
        self.say(&format!("[auto-assign][job] {stage} {line}"));
    }
}

/// Milliseconds with three decimals, as in the rows of the ledger.
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
