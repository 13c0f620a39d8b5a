//! Pages that the real command writes, and a server that counts the requests for them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::browser::target;

/// A page, and the JSON of the same rows.
pub(crate) struct Page {
    pub(crate) html: String,
    pub(crate) json: Value,
    directory: TempDir,
}

/// The command with all features, which is built already where `scripts/test` runs.
pub(crate) static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    cargo(&["test", "--all-features", "--no-run", "--test", "report"]);
    target().join("debug/tracing-ledger")
});

/// The demo.
pub(crate) static BOOKING: LazyLock<PathBuf> = LazyLock::new(|| {
    cargo(&["build", "--example", "booking"]);
    target().join("debug/examples/booking")
});

fn cargo(arguments: &[&str]) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).args(["--locked", "--quiet"]).current_dir(root);
    assert!(command.status().expect("cargo starts").success(), "{arguments:?}");
}

impl Page {
    /// The report on these rows, which are a log of exported ones.
    pub(crate) fn of_rows(rows: &[Value], more: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = write(&directory, "rows.ndjson", rows);
        let ask = |format: &[&str]| run(&[&["report", "--from-log", &log], format, more].concat());
        let html = ask(&["--format", "html"]);
        let report: Value = serde_json::from_str(&ask(&["--format", "json", "--detail"])).expect("JSON");
        Self { html, json: json!({ "report": report }), directory }
    }

    /// The story of this id in these rows.
    pub(crate) fn of_story(rows: &[Value], id: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = write(&directory, "rows.ndjson", rows);
        let ask = |format: &str| run(&["story", id, "--from-log", &log, "--format", format]);
        let story: Value = serde_json::from_str(&ask("json")).expect("JSON");
        Self { html: ask("html"), json: json!({ "story": story }), directory }
    }

    /// The report on a window of a database.
    pub(crate) fn of_database(url: &str, since: &str, until: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ask = |format: &[&str]| {
            run(&[&["report", "--database-url", url, "--since", since, "--until", until], format].concat())
        };
        let html = ask(&["--format", "html"]);
        let report: Value = serde_json::from_str(&ask(&["--format", "json", "--detail"])).expect("JSON");
        Self { html, json: json!({ "report": report }), directory }
    }

    /// The comparison of two logs. The report is on the rows after.
    pub(crate) fn of_two(before: &[Value], after: &[Value], more: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // Sides with rows in common are not compared.
        let other = |row: &Value| {
            let mut row = row.clone();
            row["id"] =
                row["id"].as_str().expect("an id").replacen("0198d0f0-0000", "0198d0f0-0001", 1).into();
            row
        };
        let after: Vec<_> = after.iter().map(other).collect();
        let (before, after) =
            (write(&directory, "before.ndjson", before), write(&directory, "after.ndjson", &after));
        let compare = |format: &[&str]| run(&[&["compare", &before, &after], format, more].concat());
        let html = compare(&["--format", "html"]);
        let comparison: Value = serde_json::from_str(&compare(&["--format", "json"])).expect("JSON");
        let report = run(&["report", "--from-log", &after, "--format", "json", "--detail"]);
        let report: Value = serde_json::from_str(&report).expect("JSON");
        Self { html, json: json!({ "report": report, "comparison": comparison }), directory }
    }

    /// The comparison of two saved sides, without rows.
    pub(crate) fn of_saved(before: &[Value], after: &[Value], more: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let save = |name: &str, rows: &[Value]| {
            let log = write(&directory, name, rows);
            let saved = format!("{log}.json");
            let mut command = Command::new(&*PROGRAM);
            let status = command.args(["baseline", "save", &saved, &log]).status().expect("it starts");
            assert!(status.success(), "{name}");
            saved
        };
        let sides = [save("before.ndjson", before), save("after.ndjson", after)];
        let compare = |format: &[&str]| run(&[&["compare", &sides[0], &sides[1]], format, more].concat());
        let html = compare(&["--format", "html"]);
        let comparison: Value = serde_json::from_str(&compare(&["--format", "json"])).expect("JSON");
        Self { html, json: json!({ "comparison": comparison }), directory }
    }

    /// The text in the source of a page.
    pub(crate) fn text(&self) -> String {
        let parts = self.html.split('<');
        let text: String = parts.map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    /// The address of the page as a file.
    pub(crate) fn file(&self) -> String {
        let path = self.directory.path().join("page.html");
        std::fs::write(&path, &self.html).expect("written");
        format!("file://{}", path.display())
    }
}

fn write(directory: &TempDir, name: &str, rows: &[Value]) -> String {
    let path = directory.path().join(name);
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

fn run(arguments: &[&str]) -> String {
    let output =
        Command::new(&*PROGRAM).args(arguments).env_remove("DATABASE_URL").output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0..=2)) && !output.stdout.is_empty(),
        "{arguments:?}: {stderr}"
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Serves one page on a free port.
pub(crate) struct Site {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// `header` is one more line of the answer, or nothing.
    pub(crate) fn serve(html: String, header: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/page.html", listener.local_addr().expect("bound"));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                    head.extend(byte);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                if let Some(line) = head.lines().next() {
                    log.lock().expect("no thread panics").push(line.to_owned());
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{header}Connection: close\r\n\r\n",
                    html.len()
                );
                // A browser may hang up.
                stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(html.as_bytes())).ok();
            }
        });
        Self { url, asked }
    }

    /// The first line of each request.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no thread panics").clone()
    }
}
