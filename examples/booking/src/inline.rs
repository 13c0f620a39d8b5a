//! The inline flow: one attempt inside the HTTP request, under a timeout.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tracing::{error, info, instrument, warn};
use uuid::Uuid;

use crate::app::App;
use crate::bookings::{Booking, Trigger};
use crate::console::millis;
use crate::failure::{StepFailure, caught};
use crate::holds;
use crate::planner::{Quote, strategy};

/// The limits of a request's wait for its tables, before the time scale.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(20);

/// Tries to confirm the booking at once; true when it did.
///
/// On timeout the planner's future is dropped. When the guest hangs up, this future is dropped too. The caller then
/// releases the holds of the attempt.
#[instrument(
    name = "inline_auto_assign",
    skip_all,
    fields(
        flow = "inline",
        trigger = trigger.as_str(),
        booking_id = %booking.id,
        restaurant_id = %booking.restaurant_id,
    )
)]
pub async fn assign(app: &App, booking: &Booking, trigger: Trigger, attempt: Uuid) -> bool {
    let wanted = app.settings.inline_timeout;
    let limit = app.settings.pace.of(wanted.clamp(*TIMEOUTS.start(), *TIMEOUTS.end()));
    let operation = Operation { attempt, trigger, limit, started: Instant::now(), over: false };
    match timeout(limit, operation.run(app, booking)).await {
        Ok(confirmed) => {
            operation.end();
            confirmed
        }
        Err(_) => {
            operation.timed_out();
            false
        }
    }
}

/// One attempt. If it is dropped before [`end`](Self::end), it reports that it was aborted.
struct Operation {
    attempt: Uuid,
    trigger: Trigger,
    limit: Duration,
    started: Instant,
    over: bool,
}

impl Operation {
    /// Quote, confirm, email; true when the booking is confirmed.
    async fn run(&self, app: &App, booking: &Booking) -> bool {
        let Some((hold, quoted_in)) = self.quote(app, booking).await else {
            return false;
        };
        let Some(confirmed_in) = self.confirm(app, booking, hold).await else {
            return false;
        };
        if let Err(failure) = booking.send_confirmation(&app.db).await {
            warn!(booking_id = %booking.id, error = %failure, "the confirmation was not sent");
        }
        info!(
            name: "inline_auto_assign.succeeded",
            hold_id = %hold,
            attempt_id = %self.attempt,
            quote_duration_ms = millis(quoted_in),
            confirm_duration_ms = millis(confirmed_in),
        );
        true
    }

    async fn quote(&self, app: &App, booking: &Booking) -> Option<(Uuid, Duration)> {
        let started = Instant::now();
        let planner = app.planner.quote_tables_for_booking(booking, strategy(self.trigger), self.attempt);
        let quote = caught(planner).await;
        let time = started.elapsed();
        let Ok(quote) = quote else {
            warn!(
                name: "inline_auto_assign.quote_error",
                duration_ms = millis(time),
                attempt_id = %self.attempt,
            );
            return None;
        };
        self.tell_quote(&quote, time);
        quote.hold.ok().map(|hold| (hold, time))
    }

    fn tell_quote(&self, quote: &Quote, time: Duration) {
        let reason = quote.hold.err().map(|reason| reason.as_str());
        info!(
            name: "inline_auto_assign.quote_result",
            duration_ms = millis(time),
            has_hold = quote.hold.is_ok(),
            attempt_id = %self.attempt,
            reason,
            alternates = quote.alternates,
        );
        if quote.hold.is_err() {
            info!(
                name: "inline_auto_assign.no_hold",
                reason,
                alternates = quote.alternates,
                duration_ms = millis(time),
                attempt_id = %self.attempt,
            );
        }
    }

    async fn confirm(&self, app: &App, booking: &Booking, hold: Uuid) -> Option<Duration> {
        let started = Instant::now();
        let confirmed: Result<(), StepFailure> = holds::confirm(&app.db, booking, hold).await;
        let time = started.elapsed();
        if confirmed.is_err() {
            error!(
                name: "inline_auto_assign.confirm_failed",
                attempt_id = %self.attempt,
                hold_id = %hold,
                duration_ms = millis(time),
            );
            return None;
        }
        info!(
            name: "inline_auto_assign.confirm_succeeded",
            attempt_id = %self.attempt,
            hold_id = %hold,
            duration_ms = millis(time),
        );
        Some(time)
    }

    fn timed_out(&self) {
        warn!(
            name: "inline_auto_assign.timeout",
            timeout_ms = millis(self.limit),
            elapsed_ms = millis(self.started.elapsed()),
            attempt_id = %self.attempt,
        );
    }

    fn end(mut self) {
        self.over = true;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.over {
            warn!(
                name: "inline_auto_assign.operation_aborted",
                attempt_id = %self.attempt,
                duration_ms = millis(self.started.elapsed()),
                timeout_ms = millis(self.limit),
            );
        }
    }
}
