//! A terminal of its own: a shell in tmux.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::until;

/// A shell in a terminal, which ends with this.
pub struct Terminal {
    dir: TempDir,
}

impl Terminal {
    /// # Panics
    /// If tmux is not installed: `scripts/test` does that.
    pub fn start(columns: u16, lines: u16) -> Self {
        let terminal = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        let [columns, lines] = [columns, lines].map(|number| number.to_string());
        terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", &lines, "env PS1='$ ' sh"]);
        terminal
    }

    /// Runs a line in the shell, which prints `done with STATUS` after it.
    pub fn run(&self, line: &str) {
        // The line itself must not be what a test waits for.
        self.tmux(&["send-keys", "-l", &format!("clear; {line}; echo \"do\"ne with $?")]);
        self.keys(&["Enter"]);
    }

    /// Presses these keys, by tmux's names.
    pub fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Writes to the terminal, as another program may.
    pub fn write(&self, text: &str) {
        let device = self.tmux(&["display-message", "-p", "#{pane_tty}"]);
        std::fs::write(device.trim_end(), text).expect("the terminal is there");
    }

    pub fn resize(&self, columns: u16, lines: u16) {
        let [columns, lines] = [columns, lines].map(|number| number.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &lines]);
    }

    /// The text that the terminal shows.
    pub fn pane(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The same with the sequences of colours and styles.
    pub fn styled_pane(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Whether the cursor is shown, and whether a program has the alternate screen.
    pub fn cursor_and_alternate_screen(&self) -> (bool, bool) {
        let flags = self.tmux(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]);
        (flags.starts_with('1'), flags.trim_end().ends_with('1'))
    }

    /// Waits until the terminal shows this, and returns all that it shows.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let mut pane = String::new();
        until(&format!("the terminal shows {text:?}"), || {
            pane = self.pane();
            pane.contains(text)
        });
        pane
    }

    /// The settings of the terminal, but for its size.
    pub fn settings(&self) -> String {
        let file = self.file("settings");
        self.run(&format!("stty -a | sed 1d > {0}.new; mv {0}.new {0}", file.display()));
        let mut settings = String::new();
        until("the settings are written", || {
            settings = std::fs::read_to_string(&file).unwrap_or_default();
            !settings.is_empty()
        });
        std::fs::remove_file(&file).expect("it was there");
        settings
    }

    /// A file that a line of the shell may write.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(self.file("tmux")).args(arguments);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
        let output = command.output().expect("tmux is installed: scripts/test does that");
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        // A shell that has ended already has taken tmux with it.
        command.arg("-S").arg(self.file("tmux")).arg("kill-server").output().ok();
    }
}
