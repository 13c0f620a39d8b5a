//! The run: every party sends its request, while guests and staff change bookings.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::App;
use crate::bookings::STAY_MS;
use crate::client::Client;
use crate::parties::{Fate, Party, Service};

/// Requests at the same time.
const LINES: usize = 4;
/// How long the service may take to notice that a guest has hung up.
const PATIENCE: Duration = Duration::from_secs(10);
/// In each service, every party after so many changes its booking, beginning with this one.
const CHANGES_EVERY: usize = 8;

/// Sends the request of every party and waits for the jobs that follow.
pub async fn run(app: &Arc<App>, service: SocketAddr, services: Vec<Service>) -> io::Result<()> {
    let guests = Client::new(service);
    let strays =
        services.iter().flat_map(|service| &service.parties).filter(|party| party.fate != Fate::Answered);
    // First, while all tables are free: only a planner that finds tables waits for a page, and no other request can run into
    // its timeout behind it.
    let mut strays: JoinSet<_> = strays.map(|party| stray(app.clone(), guests, party.clone())).collect();
    while let Some(stray) = strays.join_next().await {
        stray.map_err(io::Error::other)??;
    }
    for mut service in services {
        app.console.say(&format!("-- {}: {} parties", service.name, service.parties.len()));
        service.parties.retain(|party| party.fate == Fate::Answered);
        serve(guests, service.parties).await?;
    }
    app.jobs.all_over().await;
    Ok(())
}

/// One service: all parties book, some change their bookings, and the staff helps those that wait.
async fn serve(guests: Client, parties: Vec<Party>) -> io::Result<()> {
    let statuses = book(guests, &parties).await?;
    for (number, party) in parties.iter().enumerate() {
        if number % CHANGES_EVERY == CHANGES_EVERY - 1 {
            guests.send(Method::PATCH, &path(party), &second_thoughts(number, party)).await?;
        }
    }
    let mut waiting = parties.iter().zip(&statuses).filter(|(_, status)| *status == "pending");
    let Some((lucky, _)) = waiting.next() else {
        return Ok(());
    };
    // The staff confirms a party while its job sleeps.
    guests.send(Method::PATCH, &path(lucky), &json!({ "status": "confirmed" })).await?;
    // Another party cancels, so that the next attempt of a job finds a table.
    let seated = parties.iter().zip(&statuses).rfind(|(_, status)| *status == "confirmed");
    if let (Some(_), Some((seated, _))) = (waiting.next(), seated) {
        guests.send(Method::PATCH, &path(seated), &json!({ "status": "cancelled" })).await?;
    }
    Ok(())
}

/// Sends the requests, a few at a time. Returns the statuses in the order of the parties.
async fn book(guests: Client, parties: &[Party]) -> io::Result<Vec<String>> {
    let mut statuses = Vec::new();
    for group in parties.chunks(LINES) {
        let calls = group.iter().map(Party::wish).map(|wish| async move {
            let answer = guests.send(Method::POST, "/bookings", &wish).await?;
            Ok::<_, io::Error>(answer["status"].as_str().unwrap_or_default().to_owned())
        });
        let calls: Vec<_> = calls.map(tokio::spawn).collect();
        for call in calls {
            statuses.push(call.await.map_err(io::Error::other)??);
        }
    }
    Ok(statuses)
}

/// One more guest, or the other seating.
fn second_thoughts(number: usize, party: &Party) -> Value {
    if number % (2 * CHANGES_EVERY) == CHANGES_EVERY - 1 {
        return json!({ "party_size": party.size + 1 });
    }
    let later = jiff::Timestamp::from_millisecond(party.starts_at + STAY_MS).unwrap_or_default();
    json!({ "starts_at": later.to_string() })
}

/// A party whose request times out, panics or hangs up.
async fn stray(app: Arc<App>, guests: Client, party: Party) -> io::Result<()> {
    match party.fate {
        Fate::TimesOut(decision) => time_out(&app, guests, &party, decision).await,
        Fate::HangsUp => hang_up(&app, guests, &party).await,
        Fate::Answered | Fate::Panics => {
            guests.send(Method::POST, "/bookings", &party.wish()).await.map(drop)
        }
    }
}

/// Holds the day's page, as the staff might, until the request has timed out.
async fn time_out(app: &App, guests: Client, party: &Party, decision: Option<&str>) -> io::Result<()> {
    let book = app.planner.book();
    let page = book.pages(party.starts_at, party.starts_at + STAY_MS).await;
    let wish = party.wish();
    let request = guests.send(Method::POST, "/bookings", &wish);
    let meanwhile = async {
        let Some(status) = decision else {
            return Ok(());
        };
        book.asked_by(party.id, 1).await;
        guests.send(Method::PATCH, &path(party), &json!({ "status": status })).await.map(drop)
    };
    tokio::try_join!(request, meanwhile)?;
    drop(page);
    Ok(())
}

/// Holds the day's page while the guest hangs up, until the service has noticed and has scheduled the job.
async fn hang_up(app: &App, guests: Client, party: &Party) -> io::Result<()> {
    let book = app.planner.book();
    let page = book.pages(party.starts_at, party.starts_at + STAY_MS).await;
    guests.hang_up(&party.wish(), book.asked_by(party.id, 1)).await?;
    // At a high time scale the request may have timed out already, and then the hang-up changes nothing.
    let noticed = timeout(PATIENCE, book.asked_by(party.id, 2)).await;
    drop(page);
    noticed.map_err(|_| io::Error::other("no guest could hang up in time: use a lower --time-scale"))
}

fn path(party: &Party) -> String {
    format!("/bookings/{}", party.id)
}
