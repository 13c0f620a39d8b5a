//! The rows of the last minutes, kept up to date at a small cost to the database.

mod kept;
mod view;

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use self::kept::{KeptRow, KeptRows};
use self::view::Period;
pub use self::view::{LiveFailure, LiveView};
use super::answer::Report;
use super::gather::Gather;
use super::observe::Questions;
use super::question::Question;
use crate::error::Error;
use crate::store::read::{Asked, Choice, Reading, RowSource, Selection};
use crate::store::{AnyStore, check_distinct, open_all, time};

/// The number of parts of the window in [`LiveView::over_time`].
const PARTS: u32 = 12;

/// The rows of the last minutes in these databases, which are read as one.
///
/// Each look reads only the rows that came since the last one. It keeps one connection to each database.
///
/// ```no_run
/// use std::time::{Duration, SystemTime};
/// use tracing_ledger::report::{Live, Question};
///
/// # async fn print() -> Result<(), tracing_ledger::Error> {
/// let mut live = Live::new(&Question::new(), Duration::from_secs(300), &["postgres://db.example.com/app"])?;
/// live.look().await?;
/// println!("{}", live.view(SystemTime::now()).await?.report);
/// # Ok(())
/// # }
/// ```
pub struct Live {
    question: Question,
    questions: Questions,
    extra: WatchedPlaces,
    window: Duration,
    sources: Vec<AnyStore>,
    rows: Vec<KeptRow>,
    ids: HashSet<Box<str>>,
    /// `created_at` of the last row that was ever seen, without those that were later than the clock of this machine.
    last: Option<SystemTime>,
    /// How many rows the last look saw that are so much later than this clock that they are not kept.
    later: u64,
    /// When the whole window was read; `None` where that must be done again.
    read: Option<Instant>,
    /// The beginning of the rows that are kept, if the window has too many.
    cut: Option<SystemTime>,
}

/// The places of the texts that no report asks for.
#[derive(Clone, Copy, Debug)]
struct WatchedPlaces {
    id: usize,
    cause: usize,
    count: usize,
}

/// Without the databases, whose URLs may have a password.
impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { question, window, rows, .. } = self;
        f.debug_struct("Live")
            .field("question", question)
            .field("window", window)
            .field("rows", &rows.len())
            .finish_non_exhaustive()
    }
}

impl Live {
    /// A row that comes out of order by at most this time is seen at once: 10 s. Rows that are
    /// later than this clock by more are counted, and not kept.
    pub const OVERLAP: Duration = Duration::from_secs(10);

    /// The whole window is read again after this time, for rows that were in a spool: 30 s.
    pub const REREAD: Duration = Duration::from_secs(30);

    /// At most so many rows are kept: 200,000. If there are more, the window is shorter.
    pub const MOST_ROWS: usize = 200_000;

    /// The window of the question does not count: in its place is the time of length `window` before now.
    ///
    /// # Errors
    /// [`Error::is_config`] if a URL cannot be parsed, or names a database whose feature is not built in.
    pub fn new<U: AsRef<str>>(question: &Question, window: Duration, urls: &[U]) -> Result<Self, Error> {
        let sources = open_all(urls, &question.table)?;
        let mut questions = question.questions();
        let mut key = |key: &str| questions.place(Asked::Key(Choice::always(key)));
        let [cause, count] = ["cause", "count"].map(&mut key);
        let extra = WatchedPlaces { id: questions.place(Asked::Id), cause, count };
        Ok(Self {
            // Details would need texts that are not kept.
            question: question.clone().detail(false),
            questions,
            extra,
            window,
            sources,
            rows: Vec::new(),
            ids: HashSet::new(),
            last: None,
            later: 0,
            read: None,
            cut: None,
        })
    }

    /// Changes the length of the window. The next look reads what is missing.
    pub fn set_window(&mut self, window: Duration) {
        if window > self.window {
            self.read = None;
        }
        self.window = window;
    }

    /// Reads the rows that came since the last look. After a failure the next look reads the whole window again.
    ///
    /// It needs a tokio runtime with I/O and time, and the right to `SELECT`.
    ///
    /// # Errors
    /// As [`report`](super::report()).
    pub async fn look(&mut self) -> Result<(), Error> {
        let now = SystemTime::now();
        let begin = now.checked_sub(self.window).unwrap_or(SystemTime::UNIX_EPOCH);
        let is_whole = self.read.is_none_or(|read| read.elapsed() >= Self::REREAD);
        let overlap = self.last.and_then(|last| last.checked_sub(Self::OVERLAP));
        let since = if is_whole { begin } else { overlap.map_or(begin, |overlap| overlap.max(begin)) };
        if is_whole {
            check_distinct(&mut self.sources).await?;
        }
        let (new, later) = match self.read_since(since, now + Self::OVERLAP).await {
            Ok(read) => read,
            Err(error) => {
                self.read = None;
                return Err(error);
            }
        };
        self.later = later;
        if is_whole {
            self.rows.clear();
            self.ids.clear();
            self.cut = None;
            self.read = Some(Instant::now());
        }
        self.take(new, begin, now);
        Ok(())
    }

    /// The rows from one moment to the other, and how many are later.
    async fn read_since(
        &mut self,
        since: SystemTime,
        until: SystemTime,
    ) -> Result<(Vec<KeptRow>, u64), Error> {
        let all = self.questions.selection().clone();
        let selection = Selection { since: Some(since), until: None, losses: true, ..all };
        let id = self.extra.id;
        let (mut new, mut later) = (Vec::new(), 0);
        let each = &mut |reading: &Reading<'_>| {
            // They are read again when their time has come.
            if reading.created_at.is_some_and(|at| SystemTime::from(at) > until) {
                later += 1;
                return;
            }
            new.push(KeptRow::new(reading, id));
            kept::shorten(&mut new, 2 * Self::MOST_ROWS, Self::MOST_ROWS);
        };
        for source in &mut self.sources {
            source.read(&selection, each).await?;
        }
        Ok((new, later))
    }

    fn take(&mut self, new: Vec<KeptRow>, begin: SystemTime, now: SystemTime) {
        for row in new {
            if row.id().is_none_or(|id| self.ids.insert(id.into())) {
                self.rows.push(row);
            }
        }
        // One service with a wrong clock must not hide that the others are silent.
        self.last = self.last.max(view::last(&self.rows, now));
        let is_within = |row: &KeptRow| row.created_at().is_none_or(|at| at >= begin);
        let before = self.rows.len();
        self.rows.retain(is_within);
        if kept::shorten(&mut self.rows, Self::MOST_ROWS, Self::MOST_ROWS) {
            self.cut = self.rows.iter().filter_map(KeptRow::created_at).min();
        }
        if self.rows.len() < before {
            self.ids = self.rows.iter().filter_map(|row| row.id().map(Into::into)).collect();
        }
    }

    /// The figures at this moment: the same as those of a [`report`](super::report()) on the window that ends then.
    ///
    /// # Errors
    /// When the rows that are kept cannot be read.
    pub async fn view(&self, now: SystemTime) -> Result<LiveView, Error> {
        let until = micros(now);
        let begin = micros(now.checked_sub(self.window).unwrap_or(SystemTime::UNIX_EPOCH));
        let since = self.cut.map_or(begin, |cut| cut.max(begin));
        let period = (since, until);
        let last = self.last.max(view::last(&self.rows, until));
        let (report, over_time) = self.reports(period).await?;
        Ok(LiveView {
            over_time,
            failures: view::failures(&self.rows, &self.questions, period),
            losses: view::losses(&self.rows, self.extra.cause, self.extra.count, period),
            silent_since: view::silent_since(&report, last, until),
            last,
            later: self.later + view::later(&self.rows, until),
            is_cut: since > begin,
            report,
        })
    }

    /// The reports of the period and of its parts, in one pass over the rows.
    async fn reports(&self, (since, until): Period) -> Result<(Report, Vec<Report>), Error> {
        let length = until.duration_since(since).unwrap_or_default();
        let edges: Vec<_> = (0..=PARTS).map(|parts| micros(since + length * parts / PARTS)).collect();
        let of = |from, to| self.question.clone().since(from).until(to);
        let question = of(since, until);
        let questions = question.questions();
        let mut whole = Gather::new(&question);
        let mut parts: Vec<_> = edges.windows(2).map(|ends| Gather::new(&of(ends[0], ends[1]))).collect();
        let each = &mut |reading: &Reading<'_>| {
            let row = questions.observe(reading);
            whole.row(0, &row);
            let part = reading.created_at.map(|at| edges[1..].partition_point(|edge| *edge <= at.into()));
            if let Some(part) = part.and_then(|part| parts.get_mut(part)) {
                part.row(0, &row);
            }
        };
        KeptRows(&self.rows).read(questions.selection(), each).await?;
        let parts = parts.into_iter().map(|part| part.report(&questions));
        Ok((whole.report(&questions), parts.collect()))
    }
}

/// As exact as `created_at`.
fn micros(moment: SystemTime) -> SystemTime {
    time::microseconds(moment).map_or(moment, Into::into)
}
