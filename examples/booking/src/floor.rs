//! The floor plan: finds the tables, alone or pushed together, that can seat a party, best first.

use std::collections::BTreeSet;

use crate::db::Db;
use crate::failure::StepFailure;

/// Guests that the kitchen can cook for at one time, in all zones.
pub const KITCHEN_COVERS: i64 = 24;

/// The tables: id, name, zone, seats.
const TABLES: [(i64, &str, &str, i64); 8] = [
    (1, "W1", "window", 2),
    (2, "W2", "window", 2),
    (3, "M1", "main", 4),
    (4, "M2", "main", 4),
    (5, "M3", "main", 4),
    (6, "M4", "main", 2),
    (7, "T1", "terrace", 4),
    (8, "T2", "terrace", 6),
];
/// Tables that can be pushed together. The way to the kitchen runs between M2 and M3.
const ADJACENT: [(i64, i64); 5] = [(1, 2), (2, 3), (3, 4), (5, 6), (6, 7)];

/// Which combinations a planner may use.
#[derive(Clone, Copy, Debug)]
pub struct Strategy {
    pub require_adjacency: bool,
    pub max_tables: usize,
}

/// Tables and their neighbours.
pub struct Floor {
    tables: Vec<Table>,
    adjacent: BTreeSet<(i64, i64)>,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub id: i64,
    pub zone: String,
    pub seats: i64,
}

/// Tables that could seat the party.
#[derive(Debug)]
pub struct Candidate {
    pub tables: BTreeSet<i64>,
    /// Lower is better.
    score: i64,
}

impl Floor {
    /// Writes the house into empty tables.
    pub async fn furnish(db: &Db) -> Result<(), StepFailure> {
        let mut tx = db.begin().await?;
        for (id, name, zone, seats) in TABLES {
            tx.execute(
                "INSERT INTO demo_tables (id, name, zone, seats) VALUES ($1, $2, $3, $4)",
                [id.into(), name.into(), zone.into(), seats.into()],
            )
            .await?;
        }
        for (a, b) in ADJACENT {
            tx.execute("INSERT INTO demo_adjacency (a, b) VALUES ($1, $2)", [a.into(), b.into()]).await?;
        }
        tx.commit().await
    }

    pub async fn load(db: &Db) -> Result<Self, StepFailure> {
        let tables: Vec<(i64, String, i64)> =
            db.rows("SELECT id, zone, seats FROM demo_tables ORDER BY id", []).await?;
        let adjacent: Vec<(i64, i64)> = db.rows("SELECT a, b FROM demo_adjacency", []).await?;
        Ok(Self {
            tables: tables.into_iter().map(|(id, zone, seats)| Table { id, zone, seats }).collect(),
            adjacent: adjacent.into_iter().collect(),
        })
    }

    /// The free tables.
    pub fn without(&self, taken: &BTreeSet<i64>) -> Vec<&Table> {
        self.tables.iter().filter(|table| !taken.contains(&table.id)).collect()
    }

    /// The tables of `free` that seat `party_size`, best first.
    pub fn candidates(&self, free: &[&Table], party_size: i64, strategy: Strategy) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = self
            .combinations(free, strategy)
            .into_iter()
            .filter_map(|tables| Candidate::new(tables, free, party_size))
            .map(|candidate| Candidate {
                score: candidate.score + 20 * self.gaps(&candidate.tables),
                ..candidate
            })
            .collect();
        candidates.sort_by_key(|candidate| candidate.score);
        candidates
    }

    /// Single tables, and sets of up to `max_tables` grown by one table at a time.
    fn combinations(&self, free: &[&Table], strategy: Strategy) -> BTreeSet<BTreeSet<i64>> {
        let mut grown: BTreeSet<_> = free.iter().map(|table| BTreeSet::from([table.id])).collect();
        let mut all = grown.clone();
        for _ in 1..strategy.max_tables {
            grown = grown.iter().flat_map(|tables| self.grow(tables, free, strategy)).collect();
            all.extend(grown.iter().cloned());
        }
        all
    }

    fn grow(&self, tables: &BTreeSet<i64>, free: &[&Table], strategy: Strategy) -> Vec<BTreeSet<i64>> {
        let fits = |next: i64| {
            !tables.contains(&next)
                && (!strategy.require_adjacency || tables.iter().any(|&table| self.beside(table, next)))
        };
        let next = free.iter().map(|table| table.id).filter(|&id| fits(id));
        next.map(|id| tables.iter().copied().chain([id]).collect()).collect()
    }

    /// The number of gaps: 0 if all these tables are adjacent.
    fn gaps(&self, tables: &BTreeSet<i64>) -> i64 {
        let pairs = self.adjacent.iter().filter(|(a, b)| tables.contains(a) && tables.contains(b));
        (count(tables.len()) - 1 - count(pairs.count())).max(0)
    }

    fn beside(&self, a: i64, b: i64) -> bool {
        self.adjacent.contains(&(a.min(b), a.max(b)))
    }
}

impl Candidate {
    fn new(tables: BTreeSet<i64>, free: &[&Table], party_size: i64) -> Option<Self> {
        let members = free.iter().filter(|table| tables.contains(&table.id));
        let seats: i64 = members.clone().map(|table| table.seats).sum();
        let zones = members.map(|table| &table.zone).collect::<BTreeSet<_>>().len();
        let score = 10 * (seats - party_size) + 15 * count(tables.len()) + 5 * count(zones);
        (seats >= party_size).then_some(Self { tables, score })
    }
}

/// The most guests that `max_tables` of these tables seat, adjacent or not.
pub fn most_seats(tables: &[&Table], max_tables: usize) -> i64 {
    let mut seats: Vec<i64> = tables.iter().map(|table| table.seats).collect();
    seats.sort_unstable_by(|a, b| b.cmp(a));
    seats.iter().take(max_tables).sum()
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}
