//! `tracing-ledger serve`: the page of the report over the rows as they come, for this machine alone.

mod answer;
mod pages;
mod token;

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use clap::Args;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, LocalSet};

use self::answer::ServedSite;
use self::pages::Pages;
use self::token::Token;
use super::length::window;
use super::rows::LiveOptions;
use super::{complain, print, runtime};

/// If there are more connections, the one that has waited longest for a request ends.
const MOST_CONNECTIONS: usize = 64;
/// A connection without a request ends after this time.
const IDLE: Duration = Duration::from_secs(30);
/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    rows: LiveOptions,

    /// The length of the window, which ends now
    #[arg(long, value_name = "LENGTH", default_value = "1h", value_parser = window)]
    window: Duration,

    /// The port on 127.0.0.1; 0 is a free one
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// Prints the address on stdout, alone on a line, for a program that opens it
    #[arg(long)]
    open: bool,
}

impl Serve {
    pub(super) fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let pages = Pages::new(self.rows.question()?, self.rows.database_url.clone(), self.window);
        LocalSet::new().block_on(&runtime()?, self.serve(pages))
    }

    async fn serve(&self, pages: Pages) -> Result<ExitCode, Box<dyn Error>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        let listener =
            listener.map_err(|error| format!("cannot listen on 127.0.0.1, port {}: {error}", self.port))?;
        let port = listener.local_addr()?.port();
        let token = Token::random()?;
        let address = format!("http://127.0.0.1:{port}/{}/", token.text());
        let [mut interrupt, mut terminate] =
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        if self.open {
            print(&format!("{address}\n"))?;
        } else {
            complain(
                "note",
                &format!("the page is on {address} until Ctrl-C; nobody can read it without this address"),
            );
        }
        tokio::task::spawn_local(accept(listener, Rc::new(ServedSite { pages, token, port })));
        poll_fn(|context| {
            let signals = [interrupt.poll_recv(context), terminate.poll_recv(context)];
            if signals.iter().any(Poll::is_ready) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Ok(ExitCode::SUCCESS)
    }
}

/// A connection, which has one request.
struct OpenConnection {
    task: JoinHandle<()>,
    has_asked: Rc<Cell<bool>>,
}

async fn accept(listener: TcpListener, site: Rc<ServedSite>) {
    let mut open = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                make_room(&mut open);
                let (site, has_asked) = (Rc::clone(&site), Rc::new(Cell::new(false)));
                let task = tokio::task::spawn_local(connection(stream, site, Rc::clone(&has_asked)));
                open.push_back(OpenConnection { task, has_asked });
            }
            // Such as too many open files: the next one may succeed.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// A program that does not know the token can open connections too. It must not keep out one that does.
fn make_room(open: &mut VecDeque<OpenConnection>) {
    open.retain(|one| !one.task.is_finished());
    if open.len() >= MOST_CONNECTIONS {
        let silent = open.iter().position(|one| !one.has_asked.get());
        if let Some(one) = open.remove(silent.unwrap_or_default()) {
            one.task.abort();
        }
    }
}

async fn connection(stream: TcpStream, site: Rc<ServedSite>, has_asked: Rc<Cell<bool>>) {
    let answer = |request| {
        has_asked.set(true);
        let site = Rc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(&request).await) }
    };
    let mut server = http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(16 * 1024);
    // A browser that goes away is no failure.
    server.serve_connection(TokioIo::new(stream), service_fn(answer)).await.ok();
}
