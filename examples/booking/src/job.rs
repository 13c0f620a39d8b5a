//! The background job: attempts in slots, until the booking is confirmed or there is no point in going on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tracing::{Span, field, info, instrument, warn};
use uuid::Uuid;

use crate::app::App;
use crate::bookings::{Booking, Status, Trigger, now_ms};
use crate::console::millis;
use crate::failure::{StepFailure, caught};
use crate::holds;
use crate::planner::{NoHold, Quote, strategy};

/// Slots from the start of one attempt to the start of the next, before the time scale; the last repeats.
const DELAYS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(45)];
/// So close to its start, a booking is left to the staff.
const CUTOFF_MINUTES: i64 = 10;

/// Attempts of a job: at least one and at most eleven, also if the settings ask for fewer or more.
fn max_attempts(app: &App) -> i64 {
    app.settings.max_retries.saturating_add(1).clamp(1, 11)
}

/// The end of a job that did not fail.
#[derive(Clone, Copy, Debug)]
enum End {
    Succeeded,
    Cutoff,
    AlreadyConfirmed,
    Exhausted,
}

/// Starts the job of a booking in the background, after the release of the holds of an earlier attempt.
pub fn schedule(app: Arc<App>, booking: Booking, trigger: Trigger, earlier_attempt: Uuid) {
    // At the end of the process no runtime is left to run a job.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    app.console.job("scheduled", booking.id, json!({ "reason": trigger.as_str() }));
    app.jobs.scheduled();
    runtime.spawn(async move {
        let _open = app.jobs.open();
        let pages = app.planner.book().pages_for(&booking).await;
        // A hold that cannot be released now expires later.
        holds::release(&app.db, &pages, earlier_attempt).await.ok();
        drop(pages);
        run(&app, booking.id, trigger).await;
    });
}

/// Looks the booking up, and works on it unless it is over.
async fn run(app: &App, id: Uuid, trigger: Trigger) {
    let booking = match Booking::load(&app.db, id).await {
        Ok(Some(booking)) => booking,
        Ok(None) => return app.console.job("failed.lookup", id, json!({ "error": "not_found" })),
        Err(failure) => return app.console.job("failed.lookup", id, json!({ "error": failure.to_string() })),
    };
    if booking.status.is_over() {
        return app.console.job("skipped.status", id, json!({ "status": booking.status.as_str() }));
    }
    if let Err(failure) = auto_assign_and_confirm_if_possible(app, booking, trigger).await {
        app.console.job("failed.lookup", id, json!({ "error": failure.to_string() }));
    }
}

/// One job, from its first look to its summary.
#[instrument(
    parent = None,
    skip_all,
    fields(
        trigger = trigger.as_str(),
        flow = "job",
        booking_id = %booking.id,
        restaurant_id = %booking.restaurant_id,
        max_attempts = max_attempts(app),
        cutoff_minutes = CUTOFF_MINUTES,
        result = field::Empty,
        hard_stop_reason = field::Empty,
    ),
    err
)]
async fn auto_assign_and_confirm_if_possible(
    app: &App,
    booking: Booking,
    trigger: Trigger,
) -> Result<(), StepFailure> {
    app.jobs.start();
    let mut job = Job { app, booking, trigger, started: Instant::now() };
    let end = job.run().await?;
    Span::current().record("result", end.as_str());
    Ok(())
}

struct Job<'a> {
    app: &'a App,
    booking: Booking,
    trigger: Trigger,
    started: Instant,
}

impl Job<'_> {
    async fn run(&mut self) -> Result<End, StepFailure> {
        if self.booking.status == Status::Confirmed {
            return Ok(End::AlreadyConfirmed);
        }
        info!(name: "auto_assign.started", status = self.booking.status.as_str(), trigger = self.trigger.as_str());
        let attempts = max_attempts(self.app);
        for attempt in 0..attempts {
            let slot = Instant::now();
            self.say("attempt.start", json!({ "attempt": attempt, "maxAttempts": attempts }));
            if attempt > 0 && self.within_cutoff() {
                return Ok(self.cut_off(attempt));
            }
            if self.attempt(attempt).await {
                return Ok(End::Succeeded);
            }
            if attempt + 1 < attempts {
                sleep_until(slot + self.app.settings.pace.of(delay_after(attempt))).await;
                if let Some(end) = self.look_again(attempt + 1).await? {
                    return Ok(end);
                }
            }
        }
        Ok(self.give_up(attempts, None))
    }

    /// One attempt with its events. True if the booking is confirmed and the guest is informed.
    async fn attempt(&self, attempt: i64) -> bool {
        match self.quote_confirm_and_tell().await {
            Ok(Ok(hold)) => {
                let time = millis(self.started.elapsed());
                info!(
                    name: "auto_assign.succeeded",
                    attempt_index = attempt,
                    duration_ms = time,
                    trigger = self.trigger.as_str(),
                );
                let details = json!({ "attempt": attempt, "holdId": hold.to_string(), "durationMs": time });
                self.say("attempt.success", details);
                return true;
            }
            Ok(Err((reason, alternates))) => self.tell_no_hold(attempt, reason, alternates),
            Err(failure) => self.tell_error(attempt, &failure),
        }
        false
    }

    /// The confirmed hold, or the planner's reason for finding none and its number of alternatives.
    async fn quote_confirm_and_tell(&self) -> Result<Result<Uuid, (NoHold, usize)>, StepFailure> {
        let id = Uuid::now_v7();
        let (app, booking) = (self.app, &self.booking);
        let Quote { hold, alternates } =
            caught(app.planner.quote_tables_for_booking(booking, strategy(self.trigger), id)).await?;
        let hold = match hold {
            Ok(hold) => hold,
            Err(reason) => return Ok(Err((reason, alternates))),
        };
        if let Err(failure) = holds::confirm(&app.db, booking, hold).await {
            let pages = app.planner.book().pages_for(booking).await;
            holds::release(&app.db, &pages, id).await?;
            return Err(failure);
        }
        booking.send_confirmation(&app.db).await?;
        Ok(Ok(hold))
    }

    fn tell_no_hold(&self, attempt: i64, reason: NoHold, alternates: usize) {
        info!(
            name: "auto_assign.attempt",
            attempt_index = attempt,
            success = false,
            reason = reason.as_str(),
            reason_code = reason.code(),
            alternates,
            trigger = self.trigger.as_str(),
        );
        let details = json!({ "attempt": attempt, "reason": reason.as_str(), "alternates": alternates });
        self.say("attempt.no_hold", details);
    }

    fn tell_error(&self, attempt: i64, failure: &StepFailure) {
        warn!(
            name: "auto_assign.attempt_error",
            attempt_index = attempt,
            error = %failure,
            reason_code = failure.reason_code(),
            trigger = self.trigger.as_str(),
        );
        self.say("attempt.error", json!({ "attempt": attempt, "error": failure.to_string() }));
    }

    /// Reads the booking again: the staff and other flows may have changed it during the sleep.
    async fn look_again(&mut self, attempt: i64) -> Result<Option<End>, StepFailure> {
        let Some(booking) = Booking::load(&self.app.db, self.booking.id).await? else {
            return Ok(Some(self.give_up(attempt, Some("not_found"))));
        };
        self.booking = booking;
        let status = self.booking.status;
        if status == Status::Confirmed {
            info!(
                name: "auto_assign.exited_already_confirmed",
                attempt_index = attempt,
                trigger = self.trigger.as_str(),
            );
            return Ok(Some(End::AlreadyConfirmed));
        }
        Ok(status.is_over().then(|| self.give_up(attempt, Some(status.as_str()))))
    }

    /// Every booking here has a start. One without a start would never reach the cutoff.
    fn within_cutoff(&self) -> bool {
        self.booking.starts_at - now_ms() <= CUTOFF_MINUTES * 60_000
    }

    fn cut_off(&self, attempt: i64) -> End {
        info!(name: "auto_assign.cutoff_skipped", attempt_index = attempt, cutoff_minutes = CUTOFF_MINUTES);
        let details = json!({ "attempt": attempt, "cutoffMinutes": CUTOFF_MINUTES });
        self.say("attempt.cutoff_skipped", details);
        End::Cutoff
    }

    /// The job ends without a confirmation. `hard_stop_reason` says why it ended before its last attempt.
    fn give_up(&self, attempts: i64, hard_stop_reason: Option<&'static str>) -> End {
        if let Some(reason) = hard_stop_reason {
            Span::current().record("hard_stop_reason", reason);
        }
        warn!(name: "auto_assign.failed", attempts, trigger = self.trigger.as_str(), hard_stop_reason);
        let details = json!({ "attempts": attempts, "maxAttempts": max_attempts(self.app) });
        self.say("exhausted", details);
        End::Exhausted
    }

    fn say(&self, stage: &str, details: serde_json::Value) {
        self.app.console.job(stage, self.booking.id, details);
    }
}

fn delay_after(attempt: i64) -> Duration {
    let last = DELAYS[DELAYS.len() - 1];
    usize::try_from(attempt).ok().and_then(|attempt| DELAYS.get(attempt).copied()).unwrap_or(last)
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Cutoff => "cutoff",
            Self::AlreadyConfirmed => "already_confirmed",
            Self::Exhausted => "exhausted",
        }
    }
}
