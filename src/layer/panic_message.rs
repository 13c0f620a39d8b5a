//! The message of a panic, for the row of the call that panicked.
//!
//! A layer only sees that a span is left while its thread unwinds; the message goes to the panic hook alone. So this hook
//! is put before the installed one, and calls it. If the host installs a hook later, that one replaces this one: rows
//! then say that the call panicked, without the message.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::thread;
use std::time::Instant;

/// Longer messages are cut.
const MAX_BYTES: usize = 2 * 1024;

thread_local! {
    static LAST: RefCell<Option<Message>> = const { RefCell::new(None) };
}

#[derive(Clone)]
pub(crate) struct Message {
    at: Instant,
    pub(crate) text: Box<str>,
    pub(crate) is_cut: bool,
}

/// Puts the hook before the installed one, once for the whole program.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    // Changing the hook while unwinding panics again, and that aborts.
    if thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            remember(info);
            before(info);
        }));
    });
}

/// The message of the latest panic on this thread, unless that came before `since`: `resume_unwind` calls no hook, and the
/// message of an earlier panic would be the wrong one.
pub(crate) fn last(since: Instant) -> Option<Message> {
    let read = |last: &RefCell<Option<Message>>| {
        last.try_borrow().ok()?.as_ref().filter(|message| message.at >= since).cloned()
    };
    // At thread exit the cell may be gone or, in a panic within a panic, in use: then there is no message.
    LAST.try_with(read).ok().flatten()
}

fn remember(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("panicked with a value that is no text");
    let text = &message[..message.floor_char_boundary(MAX_BYTES)];
    let is_cut = text.len() < message.len();
    // At thread exit the cell may be gone. Then no span needs the message either.
    LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = Some(Message { at: Instant::now(), text: text.into(), is_cut });
        }
    })
    .ok();
}
