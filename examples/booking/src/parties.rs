//! The guests: 244 real parties, and the bookings that the demo makes from them. `README.md` names the source.

use jiff::civil::Weekday;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bookings::{STAY_MS, now_ms};
use crate::planner::DEFECT_NOTE;

const CSV: &str = include_str!("parties.csv");
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Consecutive parties of one day and meal.
pub struct Service {
    pub name: String,
    pub parties: Vec<Party>,
}

/// One party, about to book.
#[derive(Clone)]
pub struct Party {
    pub id: Uuid,
    pub size: i64,
    /// Milliseconds since the Unix epoch.
    pub starts_at: i64,
    zone: Option<&'static str>,
    pub fate: Fate,
}

/// The course of a party's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It gets a reply.
    Answered,
    /// It waits for the day's page until the timeout. Meanwhile the staff may decide (a status).
    TimesOut(Option<&'static str>),
    /// The planner panics.
    Panics,
    /// The guest hangs up while the planner runs.
    HangsUp,
}

/// The services whose last party has a special request. They are days apart, so that none waits for a page that another
/// holds.
const FATES: [(usize, Fate); 5] = [
    (1, Fate::TimesOut(None)),
    (3, Fate::TimesOut(Some("confirmed"))),
    (8, Fate::TimesOut(Some("cancelled"))),
    (10, Fate::Panics),
    (13, Fate::HangsUp),
];

/// Reads the parties, with the first service beginning five minutes from now.
pub fn services(calm: bool) -> Result<Vec<Service>, String> {
    let rows = CSV.lines().skip(1).map(row).collect::<Result<Vec<_>, _>>()?;
    let mut services = Vec::new();
    let mut opens_at = now_ms() + 5 * MINUTE_MS;
    let mut last_day = None;
    for run in rows.chunk_by(|a, b| a.day == b.day && a.meal == b.meal) {
        let day = run[0].day;
        let days_on = last_day.map_or(0, |last| day.since(last));
        opens_at += i64::from(days_on) * DAY_MS;
        last_day = Some(day);
        let mut service = Service::new(run, opens_at);
        service.choose_fate(services.len(), calm);
        services.push(service);
    }
    Ok(services)
}

impl Service {
    /// Every other party comes to the second of two seatings.
    fn new(rows: &[StoredRow], opens_at: i64) -> Self {
        let party = |(number, row): (usize, &StoredRow)| Party {
            id: Uuid::now_v7(),
            size: row.size,
            starts_at: if number % 2 == 0 { opens_at } else { opens_at + STAY_MS },
            zone: (number % 7 == 6).then_some("terrace"),
            fate: Fate::Answered,
        };
        let name = rows.first().map(|row| format!("{:?} {}", row.day, row.meal)).unwrap_or_default();
        Self { name, parties: rows.iter().enumerate().map(party).collect() }
    }

    fn choose_fate(&mut self, number: usize, calm: bool) {
        let fate = FATES.into_iter().find(|&(service, _)| service == number).map(|(_, fate)| fate);
        let fate = fate.filter(|fate| !calm || matches!(fate, Fate::TimesOut(_)));
        if let (Some(fate), Some(last)) = (fate, self.parties.last_mut()) {
            last.fate = fate;
        }
    }
}

impl Party {
    /// The body of its POST.
    pub fn wish(&self) -> Value {
        let starts_at = jiff::Timestamp::from_millisecond(self.starts_at).unwrap_or_default();
        json!({
            "id": self.id.to_string(),
            "party_size": self.size,
            "starts_at": starts_at.to_string(),
            "zone": self.zone,
            "note": (self.fate == Fate::Panics).then_some(DEFECT_NOTE),
        })
    }
}

struct StoredRow {
    day: Weekday,
    meal: &'static str,
    size: i64,
}

fn row(line: &'static str) -> Result<StoredRow, String> {
    let malformed = || format!("parties.csv: {line:?} is not day,time,size");
    let mut cells = line.split(',');
    let (Some(day), Some(meal), Some(size), None) = (cells.next(), cells.next(), cells.next(), cells.next())
    else {
        return Err(malformed());
    };
    let day = match day {
        "Thur" => Weekday::Thursday,
        "Fri" => Weekday::Friday,
        "Sat" => Weekday::Saturday,
        "Sun" => Weekday::Sunday,
        _ => return Err(malformed()),
    };
    Ok(StoredRow { day, meal, size: size.parse().map_err(|_| malformed())? })
}
