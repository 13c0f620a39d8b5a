//! A proxy between the ledger and Postgres that does to the bytes what networks do to them.
//!
//! It knows nothing of the protocol: it counts bytes, and so a [`Cut`] can be put behind every single one.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

/// By then the kernel has carried from one socket of this machine to another what was written.
const DELIVERED: Duration = Duration::from_millis(100);

/// What happens to every byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Connections are reset, and so are new ones.
    Reset,
    /// Every piece takes this much longer.
    Delay(Duration),
    /// So many bytes at a time, one time a millisecond.
    Trickle(usize),
    /// Nothing comes through. When it clears, everything does, in order.
    Silence,
    /// Nothing comes through, and what was open stays silent when it clears: as behind a firewall that forgot
    /// its connections.
    Amnesia,
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Reply,
}

/// Ends a connection after so many more bytes of one side have come through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) side: Side,
    pub(crate) after: usize,
    pub(crate) how: CutKind,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutKind {
    /// Not at all: it is only from here on that the next cut counts.
    Mark,
    /// In order for the server, which works off what it was sent; in a reset for the client.
    Orderly,
    /// In a reset for both.
    Reset,
    /// In a reset for the client. The server is not informed: its peer is not there any more.
    Vanished,
}

/// A proxy on 127.0.0.1, gone with its last connection when it is dropped.
pub(crate) struct Proxy {
    port: u16,
    link: Arc<Link>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

struct Link {
    server: AtomicU16,
    weather: watch::Sender<Weather>,
    /// To be made one after the other.
    cuts: Mutex<VecDeque<Cut>>,
    trap: Mutex<Option<&'static [u8]>>,
    /// Bytes that came through: requests, replies.
    carried: [AtomicU64; 2],
    /// How often all connections were forgotten.
    forgotten: AtomicU64,
}

impl Proxy {
    /// A proxy to that port on 127.0.0.1.
    pub(crate) fn to(server: u16) -> Self {
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let link = Arc::new(Link {
            server: AtomicU16::new(server),
            weather: watch::Sender::new(Weather::Fair),
            cuts: Mutex::default(),
            trap: Mutex::default(),
            carried: Default::default(),
            forgotten: AtomicU64::new(0),
        });
        runtime.spawn(accept(listener, Arc::clone(&link)));
        Self { port, link, runtime: Some(runtime) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another server; open ones stay where they are.
    pub(crate) fn turn_to(&self, server: u16) {
        self.link.server.store(server, Ordering::Relaxed);
    }

    pub(crate) fn weather(&self, weather: Weather) {
        if weather == Weather::Amnesia {
            self.link.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        self.link.weather.send_replace(weather);
    }

    /// Makes these cuts one after the other, each counting from the one before.
    pub(crate) fn cut(&self, cuts: impl IntoIterator<Item = Cut>) {
        *self.link.cuts() = cuts.into_iter().collect();
    }

    /// Lets the connection vanish before the next request that ends in these bytes gets that far.
    pub(crate) fn vanish_before(&self, ending: &'static [u8]) {
        *self.link.trap.lock().expect("nobody panics with the trap in hand") = Some(ending);
    }

    /// How many of the cuts have not been made, and now never will be.
    pub(crate) fn uncut(&self) -> usize {
        let trap = self.link.trap.lock().expect("nobody panics with the trap in hand").take();
        std::mem::take(&mut *self.link.cuts()).len() + usize::from(trap.is_some())
    }

    /// How many bytes of that side have come through so far.
    pub(crate) fn carried(&self, side: Side) -> u64 {
        self.link.carried[side as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, link: Arc<Link>) {
    // An accept that fails means that the machine is out of file descriptors: the scene will say what it lost.
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, Arc::clone(&link)));
    }
}

/// Why a connection ends.
enum StreamEnd {
    /// One of the two ends wanted it.
    Closed,
    Storm,
    Cut(CutKind),
}

async fn serve(client: TcpStream, link: Arc<Link>) {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, link.server.load(Ordering::Relaxed))).await;
    let Ok(server) = server else { return reset(&client) };
    let end = tokio::select! {
        end = carry(&link, &client, &server, Side::Request) => end,
        end = carry(&link, &server, &client, Side::Reply) => end,
        end = storm(&link) => end,
    };
    match end {
        StreamEnd::Closed | StreamEnd::Cut(CutKind::Mark) => {}
        StreamEnd::Cut(CutKind::Orderly) => reset(&client),
        StreamEnd::Cut(CutKind::Vanished) => {
            reset(&client);
            vanish(&server).await;
        }
        StreamEnd::Cut(CutKind::Reset) | StreamEnd::Storm => {
            reset(&client);
            reset(&server);
        }
    }
}

/// Lets the connection end in a reset when it is dropped.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().ok();
}

/// Lets the connection be gone when it is dropped, without a word to the other end. Takes root.
#[expect(unsafe_code, reason = "a socket in repair mode is the one that says nothing when it is closed")]
async fn vanish(stream: &TcpStream) {
    tokio::time::sleep(DELIVERED).await;
    let on: libc::c_int = 1;
    // SAFETY: the socket is open, and the pointer and the length are those of a live number.
    let result = unsafe {
        let value = std::ptr::from_ref(&on).cast();
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_REPAIR,
            value,
            size_of_val(&on) as u32,
        )
    };
    assert_eq!(result, 0, "a connection can vanish: {}", io::Error::last_os_error());
}

/// Ends when connections are to be reset.
async fn storm(link: &Link) -> StreamEnd {
    // An error says that the proxy is gone.
    link.weather.subscribe().wait_for(|weather| *weather == Weather::Reset).await.ok();
    StreamEnd::Storm
}

/// Carries bytes one way until the connection ends.
async fn carry(link: &Link, from: &TcpStream, to: &TcpStream, side: Side) -> StreamEnd {
    let born = link.forgotten.load(Ordering::Relaxed);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = read(from, &mut buffer).await else { return StreamEnd::Closed };
        if let Err(end) = forward(link, &buffer[..count], to, side, born).await {
            return end;
        }
    }
}

async fn forward(link: &Link, bytes: &[u8], to: &TcpStream, side: Side, born: u64) -> Result<(), StreamEnd> {
    if let Some(before) = link.trap(side, bytes) {
        write(to, &bytes[..before]).await.map_err(|_| StreamEnd::Closed)?;
        return Err(StreamEnd::Cut(CutKind::Vanished));
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = link.let_through(rest.len()).await;
        if link.forgotten.load(Ordering::Relaxed) != born {
            return Ok(());
        }
        let (whole, cut) = link.take(side, piece);
        write(to, &rest[..whole]).await.map_err(|_| StreamEnd::Closed)?;
        link.carried[side as usize].fetch_add(whole as u64, Ordering::Relaxed);
        match cut {
            None | Some(CutKind::Mark) => {}
            Some(how) => return Err(StreamEnd::Cut(how)),
        }
        rest = &rest[whole..];
    }
    Ok(())
}

async fn read(from: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => bytes = &bytes[result?..],
        }
    }
    Ok(())
}

impl Link {
    fn cuts(&self) -> MutexGuard<'_, VecDeque<Cut>> {
        self.cuts.lock().expect("nobody panics with the cuts in hand")
    }

    /// Waits as the weather will have it; how many of these bytes may go on then.
    async fn let_through(&self, bytes: usize) -> usize {
        let mut weather = self.weather.subscribe();
        loop {
            let now = *weather.borrow_and_update();
            match now {
                Weather::Fair | Weather::Reset => return bytes,
                // An error says that the proxy is gone, and this task with it.
                Weather::Silence | Weather::Amnesia => drop(weather.changed().await),
                Weather::Delay(time) => {
                    tokio::time::sleep(time).await;
                    return bytes;
                }
                Weather::Trickle(most) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    return most.min(bytes);
                }
            }
        }
    }

    /// Where in these bytes the connection is to vanish.
    fn trap(&self, side: Side, bytes: &[u8]) -> Option<usize> {
        let mut trap = self.trap.lock().expect("nobody panics with the trap in hand");
        let ending = trap.filter(|ending| side == Side::Request && bytes.ends_with(ending))?;
        *trap = None;
        Some(bytes.len() - ending.len())
    }

    /// How many of the next `bytes` come through, and the cut that follows them.
    fn take(&self, side: Side, bytes: usize) -> (usize, Option<CutKind>) {
        let mut cuts = self.cuts();
        match cuts.front_mut() {
            Some(cut) if cut.side == side && cut.after <= bytes => {
                let whole = cut.after;
                (whole, cuts.pop_front().map(|cut| cut.how))
            }
            Some(cut) if cut.side == side => {
                cut.after -= bytes;
                (bytes, None)
            }
            _ => (bytes, None),
        }
    }
}
