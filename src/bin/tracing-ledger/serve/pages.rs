//! The page and the JSON, made anew every few seconds and only if someone asks.

use std::error::Error;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;
use tracing_ledger::report::{Question, report, served_page};

/// A page is loaded again after this time.
pub(super) const RELOAD: Duration = Duration::from_secs(10);
/// A row may be this much ahead of this clock: two right clocks differ a little.
const CLOCKS: Duration = Duration::from_secs(1);
/// Several readers share an answer that is younger than this.
const FRESH: Duration = Duration::from_secs(5);

pub(super) struct Pages {
    question: Question,
    urls: Vec<String>,
    window: Duration,
    made: Mutex<Option<MadePage>>,
}

/// The last answer.
#[derive(Clone)]
pub(super) struct MadePage {
    at: Instant,
    /// Or why the database does not answer.
    pub(super) texts: Result<Texts, String>,
}

#[derive(Clone)]
pub(super) struct Texts {
    pub(super) page: String,
    pub(super) json: String,
}

impl Pages {
    pub(super) fn new(question: Question, urls: Vec<String>, window: Duration) -> Self {
        Self { question: question.detail(true), urls, window, made: Mutex::new(None) }
    }

    /// At most one of all requests asks the database, and the others wait for it.
    pub(super) async fn made(&self) -> MadePage {
        let mut made = self.made.lock().await;
        match &*made {
            Some(made) if made.at.elapsed() < FRESH => made.clone(),
            _ => {
                let texts = self.make().await.map_err(|error| format!("{error:#}"));
                made.insert(MadePage { at: Instant::now(), texts }).clone()
            }
        }
    }

    async fn make(&self) -> Result<Texts, Box<dyn Error>> {
        let until = SystemTime::now();
        let since = until.checked_sub(self.window).unwrap_or(SystemTime::UNIX_EPOCH);
        let question = self.question.clone().since(since).until(until);
        let answer = report(&question, &self.urls).await?;
        let ahead = report(&self.question.clone().detail(false).since(until + CLOCKS), &self.urls).await?;
        let ahead = ahead.events.iter().map(|event| event.figures.calls).sum();
        Ok(Texts { page: served_page(Ok((&answer, ahead)), RELOAD), json: answer.to_json() + "\n" })
    }
}
