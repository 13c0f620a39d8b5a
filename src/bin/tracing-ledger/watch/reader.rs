//! Reads the database on a thread of its own, so that a slow database delays no key.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tracing_ledger::report::{Live, LiveView};

/// From one look at the database to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// A message of the thread.
pub(super) enum News {
    View(Box<LiveView>),
    /// The database does not answer, and why.
    Away(String),
}

/// The thread, which ends when this is dropped.
pub(super) struct Reader {
    pub(super) news: Receiver<News>,
    windows: Sender<Duration>,
}

impl Reader {
    pub(super) fn start(live: Live) -> io::Result<Self> {
        let (tell, news) = mpsc::channel();
        let (windows, asked) = mpsc::channel();
        let runtime = super::runtime()?;
        thread::Builder::new().name("watch".to_owned()).spawn(move || {
            read(live, &runtime, &tell, &asked);
        })?;
        Ok(Self { news, windows })
    }

    /// Asks for a window of this length from now on.
    pub(super) fn set_window(&self, window: Duration) {
        // A thread that has ended is noticed by its silence.
        self.windows.send(window).ok();
    }
}

fn read(mut live: Live, runtime: &tokio::runtime::Runtime, tell: &Sender<News>, asked: &Receiver<Duration>) {
    loop {
        let begin = Instant::now();
        let view = runtime.block_on(async {
            live.look().await?;
            live.view(SystemTime::now()).await
        });
        let news = match view {
            Ok(view) => News::View(Box::new(view)),
            Err(error) => News::Away(format!("{error:#}")),
        };
        if tell.send(news).is_err() {
            return;
        }
        // A slow database is asked less often.
        match asked.recv_timeout(PAUSE.max(begin.elapsed() * 4)) {
            Ok(window) => live.set_window(asked.try_iter().last().unwrap_or(window)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
