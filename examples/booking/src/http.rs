//! The HTTP interface: `POST /bookings`, `PATCH /bookings/{id}`, `GET /bookings/{id}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::instrument;
use uuid::Uuid;

use crate::app::App;
use crate::bookings::{Booking, Status, Trigger};
use crate::failure::StepFailure;
use crate::{inline, job};

/// The largest party that can ask for a table without a telephone call.
const LARGEST_PARTY: i64 = 40;

/// The routes of the service.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/bookings", post(create))
        .route("/bookings/{id}", get(show).patch(change))
        .with_state(app)
}

/// The body of a POST.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBooking {
    /// Chosen by the client, so that a repeated request is the same booking. Made here if it is absent.
    id: Option<String>,
    party_size: i64,
    /// RFC 3339.
    starts_at: String,
    zone: Option<String>,
    note: Option<String>,
}

/// The body of a PATCH: a decision of the staff, or a change of size or time by the guest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    status: Option<String>,
    party_size: Option<i64>,
    starts_at: Option<String>,
}

#[instrument(name = "POST /bookings", skip_all)]
async fn create(State(app): State<Arc<App>>, Json(wish): Json<NewBooking>) -> Result<Response, Refusal> {
    let booking = wish.into_booking()?;
    if !booking.insert(&app.db).await? {
        return Ok(answer(StatusCode::OK, &stored(&app, booking.id).await?));
    }
    let booking = assign(&app, booking, Trigger::Creation).await?;
    Ok(answer(StatusCode::CREATED, &booking))
}

#[instrument(name = "PATCH /bookings/{id}", skip_all)]
async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<Response, Refusal> {
    let booking = stored(&app, parse_id(&id)?).await?;
    let booking = match change.status {
        Some(word) => decide(&app, &booking, &word).await?,
        None => modify(&app, &booking, change).await?,
    };
    Ok(answer(StatusCode::OK, &booking))
}

#[instrument(name = "GET /bookings/{id}", skip_all)]
async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(answer(StatusCode::OK, &stored(&app, parse_id(&id)?).await?))
}

async fn decide(app: &App, booking: &Booking, word: &str) -> Result<Booking, Refusal> {
    let status = Status::parse(word).filter(|&status| status != Status::Pending);
    let status = status.ok_or(Refusal::Invalid("status: use confirmed, cancelled, no_show or completed"))?;
    if !booking.decide(&app.db, status).await? {
        return Err(Refusal::Over);
    }
    stored(app, booking.id).await
}

async fn modify(app: &Arc<App>, booking: &Booking, change: Change) -> Result<Booking, Refusal> {
    let size = party_size(change.party_size.unwrap_or(booking.party_size))?;
    let starts_at = change.starts_at.map_or(Ok(booking.starts_at), |text| moment(&text))?;
    if !booking.modify(&app.db, size, starts_at).await? {
        return Err(Refusal::Over);
    }
    let modified = stored(app, booking.id).await?;
    assign(app, modified, Trigger::Modification).await
}

/// The inline flow, and the job after it unless the booking is confirmed.
async fn assign(app: &Arc<App>, booking: Booking, trigger: Trigger) -> Result<Booking, Refusal> {
    let id = booking.id;
    let follow_up = FollowUp::new(app, booking.clone(), trigger);
    if inline::assign(app, &booking, trigger, follow_up.attempt).await {
        follow_up.not_needed();
    } else {
        drop(follow_up);
    }
    stored(app, id).await
}

/// Schedules the job when it is dropped: after a refusal or a timeout, and when the guest hangs up and the future of the
/// request is dropped.
struct FollowUp {
    app: Arc<App>,
    booking: Option<Booking>,
    trigger: Trigger,
    attempt: Uuid,
}

impl FollowUp {
    fn new(app: &Arc<App>, booking: Booking, trigger: Trigger) -> Self {
        Self { app: app.clone(), booking: Some(booking), trigger, attempt: Uuid::now_v7() }
    }

    fn not_needed(mut self) {
        self.booking = None;
    }
}

impl Drop for FollowUp {
    fn drop(&mut self) {
        if let Some(booking) = self.booking.take() {
            job::schedule(self.app.clone(), booking, self.trigger, self.attempt);
        }
    }
}

async fn stored(app: &App, id: Uuid) -> Result<Booking, Refusal> {
    Booking::load(&app.db, id).await?.ok_or(Refusal::Unknown)
}

fn answer(status: StatusCode, booking: &Booking) -> Response {
    let starts_at = Timestamp::from_millisecond(booking.starts_at).map(|time| time.to_string()).ok();
    let body: Value = json!({
        "id": booking.id.to_string(),
        "party_size": booking.party_size,
        "starts_at": starts_at,
        "status": booking.status.as_str(),
    });
    (status, Json(body)).into_response()
}

impl NewBooking {
    fn into_booking(self) -> Result<Booking, Refusal> {
        let id = self.id.as_deref().map_or_else(|| Ok(Uuid::now_v7()), parse_id)?;
        let booking = Booking::new(id, party_size(self.party_size)?, moment(&self.starts_at)?);
        Ok(Booking { zone: self.zone, note: self.note, ..booking })
    }
}

fn parse_id(text: &str) -> Result<Uuid, Refusal> {
    text.parse().map_err(|_| Refusal::Invalid("id: a booking's id is a UUID"))
}

fn party_size(size: i64) -> Result<i64, Refusal> {
    let fits = (1..=LARGEST_PARTY).contains(&size);
    fits.then_some(size).ok_or(Refusal::Invalid("party_size: give a number from 1 to 40"))
}

fn moment(text: &str) -> Result<i64, Refusal> {
    let time: Result<Timestamp, _> = text.parse();
    time.map(Timestamp::as_millisecond)
        .map_err(|_| Refusal::Invalid("starts_at: give a time such as 2030-05-17T19:30:00Z"))
}

/// Why a request got no booking.
enum Refusal {
    Invalid(&'static str),
    Unknown,
    Over,
    Failed(StepFailure),
}

impl From<StepFailure> for Refusal {
    fn from(failure: StepFailure) -> Self {
        Self::Failed(failure)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Invalid(text) => (StatusCode::UNPROCESSABLE_ENTITY, text.to_owned()),
            Self::Unknown => (StatusCode::NOT_FOUND, "there is no booking with this id".to_owned()),
            Self::Over => {
                (StatusCode::CONFLICT, "the booking is over, or was changed by somebody else".to_owned())
            }
            Self::Failed(failure) => (StatusCode::SERVICE_UNAVAILABLE, failure.to_string()),
        };
        (status, Json(json!({ "error": text }))).into_response()
    }
}
