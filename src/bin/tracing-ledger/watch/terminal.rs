//! The terminal: keys, frames, and its old state at every end.

use std::error::Error;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, SystemTime};

use crossterm::event::{self, Event};
use crossterm::terminal::{EnterAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::DefaultTerminal;
use ratatui::layout::{Position, Rect};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use tracing_ledger::report::Live;

use super::choice::{Reaction, WatchChoice};
use super::reader::{News, Reader};
use super::screen::{Away, Screen};

/// A signal and the end of the terminal are noticed within this time.
const TICK: Duration = Duration::from_millis(100);

/// Shows the last minutes until a key or a signal ends it. The terminal is restored, also after a panic.
pub(super) fn run(live: Live, choice: WatchChoice) -> Result<(), Box<dyn Error>> {
    let [ended, continued] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    for (signal, flag) in [(SIGHUP, &ended), (SIGINT, &ended), (SIGTERM, &ended), (SIGCONT, &continued)] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    let reader = Reader::start(live)?;
    in_terminal(|terminal| show(terminal, &reader, choice, [&ended, &continued]))
}

/// The panic hook of ratatui restores the terminal before a panic is printed.
fn in_terminal<T>(
    show: impl FnOnce(&mut DefaultTerminal) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal);
    // After a hang-up there is no terminal left to restore.
    ratatui::try_restore().ok();
    shown
}

fn show(
    terminal: &mut DefaultTerminal,
    reader: &Reader,
    choice: WatchChoice,
    [ended, continued]: [&AtomicBool; 2],
) -> Result<(), Box<dyn Error>> {
    let mut screen = Screen { view: None, away: None, choice, now: SystemTime::now() };
    let events = events()?;
    while !ended.load(Ordering::Relaxed) && io::stdin().is_terminal() {
        take_news(&mut screen, reader)?;
        // The shell or another program had the terminal.
        if continued.swap(false, Ordering::Relaxed) {
            enter(terminal)?;
        }
        screen.now = SystemTime::now();
        terminal.draw(|frame| screen.draw(frame.area(), frame.buffer_mut()))?;
        match next(&events)? {
            Some(Event::Key(key)) => match screen.choice.key(key, screen.view.as_ref()) {
                Reaction::Quit => return Ok(()),
                Reaction::Reread => reader.set_window(screen.choice.window),
                Reaction::Suspend => suspend(terminal)?,
                Reaction::Nothing => {}
            },
            // A terminal that was smaller for a moment has lost a part of the frame, and has the same size as before.
            Some(Event::Resize(..)) => draw_anew(terminal)?,
            _ => {}
        }
    }
    Ok(())
}

fn take_news(screen: &mut Screen, reader: &Reader) -> Result<(), Box<dyn Error>> {
    loop {
        match reader.news.try_recv() {
            Ok(News::View(view)) => (screen.view, screen.away) = (Some(*view), None),
            Ok(News::Away(why)) => {
                let since = screen.away.take().map_or_else(SystemTime::now, |away| away.since);
                screen.away = Some(Away { since, why });
            }
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => return Err("the thread that reads rows has ended".into()),
        }
    }
}

/// Stops the process, as Ctrl-Z does elsewhere, and goes on when a shell continues it. Without such a shell nothing happens.
fn suspend(terminal: &mut DefaultTerminal) -> Result<(), Box<dyn Error>> {
    terminal.show_cursor()?;
    ratatui::try_restore()?;
    signal_hook::low_level::raise(SIGTSTP)?;
    enter(terminal)
}

/// Takes the terminal again, whatever has become of it.
fn enter(terminal: &mut DefaultTerminal) -> Result<(), Box<dyn Error>> {
    disable_raw_mode()?;
    enable_raw_mode()?;
    crossterm::execute!(io::stdout(), EnterAlternateScreen)?;
    draw_anew(terminal)
}

/// Makes the next frame a whole one.
fn draw_anew(terminal: &mut DefaultTerminal) -> Result<(), Box<dyn Error>> {
    // `clear` would ask the terminal where its cursor is, and the thread of the keys would get the answer.
    let size = terminal.size()?;
    Ok(terminal.resize(Rect::from((Position::ORIGIN, size)))?)
}

/// Keys and new sizes. Crossterm never returns from its read of a terminal that is gone, so a thread of its own reads.
fn events() -> io::Result<Receiver<io::Result<Event>>> {
    let (tell, events) = mpsc::channel();
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        loop {
            let event = event::read();
            let interrupted = event.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted);
            if !interrupted && tell.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(events)
}

/// The next event; `None` after a while without one.
fn next(events: &Receiver<io::Result<Event>>) -> Result<Option<Event>, Box<dyn Error>> {
    match events.recv_timeout(TICK) {
        Ok(event) => Ok(Some(event?)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err("the thread that reads keys has ended".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use support::Terminal;

    use super::*;

    #[test]
    #[ignore = "a_panic_restores_the_terminal runs it in a terminal"]
    fn a_panic() {
        in_terminal(|_| -> Result<(), Box<dyn Error>> { panic!("on purpose") }).ok();
    }

    #[test]
    fn a_panic_restores_the_terminal() {
        let terminal = Terminal::start(80, 24);
        let this = env::current_exe().expect("this test has a file");
        let before = terminal.settings();
        terminal.run(&format!(
            "RUST_BACKTRACE=0 {} --ignored --exact watch::terminal::tests::a_panic --nocapture",
            this.display()
        ));
        let pane = terminal.wait_for("done with 101");
        assert!(pane.contains("on purpose"), "{pane}");
        assert_eq!(terminal.settings(), before);
    }
}
