//! The service as its guests, its staff and the people at its console meet it.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, LazyLock};

use hyper::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use uuid::Uuid;

use crate::letter;
use booking::app::{App, Pace, Settings};
use booking::bookings::{Booking, Trigger, now_ms};
use booking::client::Client;
use booking::console::Console;
use booking::db::Db;
use booking::floor::Floor;
use booking::holds::Pages;
use booking::{http, job};
use support::{Ledger, SqliteFile, StoredRow};

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// More than the house can seat at any time.
pub(crate) const CROWD: i64 = 40;

/// Waits pass that many times as fast as in production; all else is as there.
pub(crate) fn pace(times: u32) -> Settings {
    Settings { pace: Pace(times), ..Settings::PRODUCTION }
}

/// Time for everything: nothing times out, and no job comes to a second attempt.
pub(crate) fn unhurried() -> Settings {
    pace(1)
}

/// A runtime on the thread of the test.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A booking some days from now that nobody has looked at.
pub(crate) fn party_of(size: i64) -> Booking {
    Booking::new(Uuid::now_v7(), size, now_ms() + 3 * DAY_MS)
}

/// The service, serving HTTP on loopback over a database of its own.
pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    pub(crate) guests: Client,
    pub(crate) file: SqliteFile,
    console: watch::Receiver<Vec<String>>,
}

impl House {
    pub(crate) async fn open(settings: Settings) -> Self {
        let file = SqliteFile::new();
        let db = Db::open(&file.url()).await.expect("a database");
        db.reset().await.expect("empty tables");
        Floor::furnish(&db).await.expect("the floor plan");
        let (lines, console) = watch::channel(Vec::new());
        let print = move |line: &str| lines.send_modify(|lines: &mut Vec<String>| lines.push(line.into()));
        let app = Arc::new(App::new(db, settings, Console::new(print)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("the port is bound");
        tokio::spawn(axum::serve(listener, http::router(app.clone())).into_future());
        Self { app, address, guests: Client::new(address), file, console }
    }

    /// A guest books; the status that the answer tells.
    pub(crate) async fn post(&self, booking: &Booking) -> String {
        let answer = self.guests.send(Method::POST, "/bookings", &wish(booking)).await;
        status(&answer.expect("POST is answered"))
    }

    /// Somebody changes a booking; the status that the answer tells.
    pub(crate) async fn patch(&self, booking: &Booking, change: Value) -> String {
        let path = format!("/bookings/{}", booking.id);
        let answer = self.guests.send(Method::PATCH, &path, &change).await;
        status(&answer.expect("PATCH is answered"))
    }

    /// The status that a person at the desk finds.
    pub(crate) async fn status(&self, booking: &Booking) -> String {
        let path = format!("/bookings/{}", booking.id);
        let answer = self.guests.send(Method::GET, &path, &Value::Null).await;
        status(&answer.expect("GET is answered"))
    }

    /// A booking that no request has brought, and its background job.
    pub(crate) async fn schedule(&self, booking: &Booking) {
        assert!(booking.insert(&self.app.db).await.expect("the booking is stored"));
        self.schedule_after(booking, Uuid::now_v7());
    }

    /// The background job of a booking, known or not, that had that attempt before.
    pub(crate) fn schedule_after(&self, booking: &Booking, attempt: Uuid) {
        job::schedule(self.app.clone(), booking.clone(), Trigger::Creation, attempt);
    }

    /// As [`schedule`](Self::schedule), until the job is over.
    pub(crate) async fn work_on(&self, booking: &Booking) {
        self.schedule(booking).await;
        self.app.jobs.all_over().await;
    }

    /// The pages of the book that the planner needs for the booking, so that it has to wait for them.
    pub(crate) async fn pages(&self, booking: &Booking) -> Pages {
        self.app.planner.book().pages(booking.starts_at, booking.ends_at()).await
    }

    /// As [`schedule`](Self::schedule), until the first planner call of the job waits for the pages returned.
    pub(crate) async fn schedule_and_hold_up(&self, booking: &Booking) -> Pages {
        let before = self.pages(booking).await;
        self.schedule(booking).await;
        // The job begins by releasing the holds of an earlier attempt: it is let through that, and no further.
        self.app.planner.book().asked_by(booking.id, 1).await;
        let mut after = pin!(self.pages(booking));
        tokio::select! {
            biased;
            _ = &mut after => unreachable!("the pages are ours"),
            () = std::future::ready(()) => drop(before),
        }
        let after = after.await;
        self.app.planner.book().asked_by(booking.id, 2).await;
        after
    }

    /// Holds every table at the booking's time for somebody else, until it is [given back](Self::give_back).
    pub(crate) async fn hold_all_tables(&self, booking: &Booking) -> Uuid {
        let hold = Uuid::now_v7();
        let sql = "INSERT INTO demo_holds (hold_id, table_id, booking_id, attempt_id, starts_at, ends_at, expires_at) \
                   SELECT $1, id, $1, $1, $2, $3, $4 FROM demo_tables";
        let expires_at = now_ms() + DAY_MS;
        let args = [hold.into(), booking.starts_at.into(), booking.ends_at().into(), expires_at.into()];
        self.app.db.execute(sql, args).await.expect("the tables are held");
        hold
    }

    pub(crate) async fn give_back(&self, hold: Uuid) {
        let sql = "DELETE FROM demo_holds WHERE hold_id = $1";
        self.app.db.execute(sql, [hold.into()]).await.expect("the hold falls");
    }

    /// Tables held and not confirmed.
    pub(crate) async fn loose_holds(&self) -> i64 {
        let sql = "SELECT COUNT(*) FROM demo_holds WHERE expires_at IS NOT NULL";
        let count: Vec<(i64,)> = self.app.db.rows(sql, []).await.expect("the holds can be read");
        count[0].0
    }

    /// Waits until the console has told that stage of the booking's job.
    pub(crate) async fn stage(&self, stage: &str, booking: &Booking) {
        let mut console = self.console.clone();
        let told = |lines: &Vec<String>| stages(lines, booking).any(|told| told == stage);
        console.wait_for(told).await.expect("the console is open");
    }

    /// The stages of the booking's job, as the console told them.
    pub(crate) fn stages(&self, booking: &Booking) -> Vec<String> {
        stages(&self.console.borrow(), booking).map(str::to_owned).collect()
    }
}

fn stages<'a>(lines: &'a [String], booking: &Booking) -> impl Iterator<Item = &'a str> {
    let id = booking.id.to_string();
    let of_booking = lines.iter().filter(move |line| line.contains(&id));
    of_booking.filter_map(|line| line.strip_prefix("[auto-assign][job] ")?.split(' ').next())
}

/// The body of the booking's POST.
pub(crate) fn wish(booking: &Booking) -> Value {
    let starts_at = jiff::Timestamp::from_millisecond(booking.starts_at).expect("a time");
    json!({
        "id": booking.id.to_string(),
        "party_size": booking.party_size,
        "starts_at": starts_at.to_string(),
        "zone": booking.zone,
        "note": booking.note,
    })
}

fn status(answer: &Value) -> String {
    answer["status"].as_str().expect("every answer tells the status").to_owned()
}

/// The ledger of this process, in memory. Every row names its booking, so the tests share it.
///
/// It is the global default, as in production: a span's last handle may be dropped by one of SQLite's threads,
/// and `tracing-subscriber` then tells the parent span's end to the default subscriber of that thread.
fn ledger() -> &'static Ledger {
    static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
        let ledger = Ledger::memory();
        tracing::dispatcher::set_global_default(ledger.dispatch.clone()).expect("the first of this process");
        ledger
    });
    &LEDGER
}

/// Opens a house under the ledger and runs the test in it, then stops the service with all that is under way.
///
/// The result of the test is kept until then.
pub(crate) fn serve<T>(settings: Settings, test: impl AsyncFnOnce(&House) -> T) -> T {
    ledger();
    let runtime = runtime();
    let kept = runtime.block_on(async {
        let house = House::open(settings).await;
        let kept = test(&house).await;
        // SQLite's threads hold the spans they worked for until they are done: then every row is there.
        house.app.db.close().await;
        kept
    });
    drop(runtime);
    kept
}

/// The rows of a booking, oldest first, each to the letter of the contract.
#[track_caller]
pub(crate) fn rows_of(booking: &Booking) -> Vec<StoredRow> {
    let id = booking.id.to_string();
    let mut rows = ledger().rows();
    rows.retain(|row| row.booking_id.as_ref() == Some(&id));
    for row in &rows {
        letter::check(row);
    }
    rows
}
