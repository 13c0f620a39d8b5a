//! The choices that a person makes by keys.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tracing_ledger::report::{EventFigures, GroupFigures, LiveView};

/// The lengths of a window, in minutes.
const WINDOWS: [u64; 6] = [1, 5, 15, 60, 6 * 60, 24 * 60];

/// The event type, the group and the window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WatchChoice {
    /// `None` before a person picks one: then it is the first.
    event: Option<String>,
    /// The keys of the groups to show; `None` shows event types.
    pub(super) group: Option<Vec<String>>,
    pub(super) window: Duration,
    /// Whether only some rows were asked for.
    pub(super) is_selective: bool,
}

/// The effect of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    Nothing,
    Quit,
    /// Go to the background, for `fg`.
    Suspend,
    /// The window has another length.
    Reread,
}

impl WatchChoice {
    pub(super) fn new(window: Duration) -> Self {
        Self { event: None, group: None, window, is_selective: false }
    }

    /// The picked event type, or the first.
    pub(super) fn event<'a>(&self, view: &'a LiveView) -> Option<&'a EventFigures> {
        let events = &view.report.events;
        let picked = self.event.as_ref();
        picked.and_then(|name| events.iter().find(|event| event.event_type == *name)).or(events.first())
    }

    /// The event type whose groups are shown.
    pub(super) fn group_of<'a>(&self, view: &'a LiveView) -> Option<&'a str> {
        self.group.as_ref().and_then(|_| Some(self.event(view)?.event_type.as_str()))
    }

    pub(super) fn key(&mut self, key: KeyEvent, view: Option<&LiveView>) -> Reaction {
        if key.kind == KeyEventKind::Release {
            return Reaction::Nothing;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return Reaction::Quit,
            KeyCode::Char('z') if is_control => return Reaction::Suspend,
            KeyCode::Char('q') | KeyCode::Esc => return Reaction::Quit,
            KeyCode::Char('w') => return self.step_window(true),
            KeyCode::Char('W') => return self.step_window(false),
            _ => {}
        }
        let Some(view) = view else { return Reaction::Nothing };
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => self.step_event(view, 1),
            KeyCode::Up | KeyCode::Char('k') => self.step_event(view, view.report.events.len().max(1) - 1),
            KeyCode::Char('g') => self.step_group(view),
            _ => {}
        }
        Reaction::Nothing
    }

    fn step_window(&mut self, is_longer: bool) -> Reaction {
        let mut known = WINDOWS.iter();
        let next = if is_longer {
            known.find(|minutes| 60 * *minutes > self.window.as_secs()).or(WINDOWS.first())
        } else {
            known.rfind(|minutes| 60 * *minutes < self.window.as_secs()).or(WINDOWS.last())
        };
        self.window = next.map_or(self.window, |minutes| Duration::from_secs(60 * minutes));
        Reaction::Reread
    }

    fn step_event(&mut self, view: &LiveView, step: usize) {
        let events = &view.report.events;
        let picked = self.event(view).map(|event| &event.event_type);
        let Some(at) = events.iter().position(|event| Some(&event.event_type) == picked) else { return };
        self.event = events.get((at + step) % events.len()).map(|event| event.event_type.clone());
        self.group = self.group.take().filter(|keys| self.group_keys(view).contains(keys));
    }

    /// Shows the groups by the next keys, and after the last ones the event types again.
    pub(super) fn step_group(&mut self, view: &LiveView) {
        let known = self.group_keys(view);
        let at = self.group.as_ref().and_then(|keys| known.iter().position(|other| other == keys));
        self.group = known.into_iter().nth(at.map_or(0, |at| at + 1));
        self.event = self.event(view).map(|event| event.event_type.clone());
    }

    /// The keys by which the rows of the event type are grouped.
    fn group_keys(&self, view: &LiveView) -> Vec<Vec<String>> {
        let mut known: Vec<Vec<String>> = Vec::new();
        for group in self.event(view).into_iter().flat_map(|event| &event.groups) {
            let keys = keys(group);
            if !known.contains(&keys) {
                known.push(keys);
            }
        }
        known
    }
}

pub(super) fn keys(group: &GroupFigures) -> Vec<String> {
    group.by.iter().map(|(key, _)| key.clone()).collect()
}
