//! `tracing-ledger report` prints the figures, says clearly what is wrong, and never shows a password.

use std::process::{Command, Output};
use std::time::SystemTime;

use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Sqlite, Store};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.args(arguments).env_remove("DATABASE_URL");
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("it starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

async fn ledger_with_a_call() -> SqliteFile {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    let mut call = Row::new(SystemTime::now(), "auto_assign", "auto_assign.quote");
    call.context = r#"{"planner_duration_ms": 12.5, "planner_success": true}"#.to_owned();
    store.insert(&[call], Attempt::First).await.expect("stored");
    file
}

#[tokio::test]
async fn every_format_is_printed() {
    let file = ledger_with_a_call().await;
    for (format, part) in [
        ("text", "12.5 ms"),
        ("md", "| 1 | 100.0% | 1 | 12.5 ms |"),
        ("json", "\"median\": 12.5"),
        ("csv", ",duration_median,event_type=auto_assign.quote,12.5,ms,1,auto_assign\n"),
    ] {
        let url = file.url();
        let output = run(&["report", "--database-url", &url, "--since", "2h", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains(part), "{}", stdout(&output));
        assert_eq!(stderr(&output), "");
    }
}

#[tokio::test]
async fn details_are_printed_where_they_are_asked_for() {
    let file = ledger_with_a_call().await;
    let output = run(&["report", "--database-url", &file.url(), "--detail", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let detail = &json["events"][0]["detail"];
    assert_eq!(
        (&detail["histogram"][0]["from"], &detail["histogram"][0]["to"]),
        (&12.5.into(), &14.0.into())
    );
    assert_eq!(
        (&detail["over_time"][0]["calls"], &detail["over_time"][0]["approximate"]),
        (&1.into(), &false.into())
    );
    assert_eq!(detail["slowest"][0]["context"]["planner_duration_ms"], 12.5, "{json}");
    assert_eq!(json["losses"], serde_json::json!({"rows": 0, "lost": 0, "by": {}}));
}

#[tokio::test]
async fn the_url_may_come_from_the_environment() {
    let file = ledger_with_a_call().await;
    let output = command(&["report"]).env("DATABASE_URL", file.url()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[tokio::test]
async fn a_url_that_allows_no_writes_is_enough() {
    let file = ledger_with_a_call().await;
    for parameter in ["mode=ro", "immutable=1"] {
        let output = run(&["report", "--database-url", &format!("{}?{parameter}", file.url())]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn an_empty_table_is_reported_with_what_to_check() {
    let url = Cluster::shared().database();
    let output = run(&["report", "--database-url", &url]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).starts_with("note: no row is selected; the ledger is empty: check the database"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn where_no_row_is_selected_the_event_types_are_named() {
    let file = ledger_with_a_call().await;
    for narrow in [&["--event", "http.request"][..], &["--until", "2h"], &["--where", "flow=job"]] {
        let output = run(&[&["report", "--database-url", &file.url()][..], narrow].concat());
        assert_eq!(output.status.code(), Some(3), "{narrow:?}");
        assert_eq!(
            stderr(&output),
            "note: no row is selected; the ledger has the event types auto_assign.quote (1)\n"
        );
    }
}

#[tokio::test]
async fn a_report_goes_to_a_file_and_counts_several_databases() {
    let (one, other) = (ledger_with_a_call().await, ledger_with_a_call().await);
    let out = tempfile::NamedTempFile::new().expect("a file");
    let path = out.path().to_str().expect("UTF-8");
    let urls = ["report", "--database-url", &one.url(), "--database-url", &other.url(), "--out", path];
    let output = run(&[&urls[..], &["--by", "hour", "--from", "2h", "--format", "json"]].concat());
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{}", stderr(&output));
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).expect("written")).expect("JSON");
    let event = &json["events"][0];
    assert_eq!((&event["calls"], &event["groups"][0]["calls"]), (&2.into(), &2.into()), "{json}");
    assert_eq!(event["duration_ms"]["interval"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_link_that_is_written_to_stays_a_link() {
    let file = ledger_with_a_call().await;
    let dir = tempfile::tempdir().expect("a folder");
    let [link, target, before] = ["link", "target", "before.json"].map(|name| dir.path().join(name));
    std::os::unix::fs::symlink(&target, &link).expect("a link");
    let [path, before] = [&link, &before].map(|path| path.to_str().expect("UTF-8"));
    let other = ledger_with_a_call().await;
    assert!(run(&["baseline", "save", before, "--database-url", &other.url()]).status.success());
    for arguments in [&["report"][..], &["compare", before, ".."]] {
        let output = run(&[arguments, &["--database-url", &file.url(), "--out", path]].concat());
        assert_eq!(stdout(&output), "", "{}", stderr(&output));
        assert!(std::fs::read_to_string(&target).expect("written").contains("auto_assign.quote"));
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        std::fs::remove_file(&target).expect("it was there");
    }
}

#[tokio::test]
async fn rules_may_come_from_a_file() {
    let file = ledger_with_a_call().await;
    let rules = tempfile::NamedTempFile::new().expect("a file");
    let text = "[[rule]]\nspan = \"quote\"\nevent_type = \"auto_assign.quote\"\nduration = \"other\"";
    std::fs::write(rules.path(), text).expect("written");
    let path = rules.path().to_str().expect("UTF-8");
    let output = run(&["report", "--database-url", &file.url(), "--rules", path, "--format", "csv"]);
    assert!(
        stdout(&output).contains(",duration_median,event_type=auto_assign.quote,,ms,0,"),
        "{}",
        stdout(&output)
    );
    let output = run(&["report", "--database-url", &file.url(), "--rules", "/nowhere.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn a_missing_table_or_file_is_one_line_with_the_remedy() {
    let postgres = Cluster::shared().empty_database();
    let sqlite = SqliteFile::new();
    for url in [postgres, sqlite.url()] {
        let output = run(&["report", "--database-url", &url]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: cannot read observability_events from "), "{text}");
        assert!(text.contains("create_table(true)"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn wrong_use_is_status_2() {
    let output = run(&["report", "--database-url", "sqlite:x", "--since", "yesterday"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("use a time such as 2026-01-31T08:00:00Z"), "{}", stderr(&output));
    for arguments in [&["report"][..], &[], &["report", "--format", "pdf"]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_mistake_in_the_arguments_is_named_with_what_to_write() {
    for (arguments, message) in [
        (&[][..], "a command is missing: use report"),
        (&["report"], "not provided: --database-url <URL>, or the environment's DATABASE_URL"),
        (&["repot"], "unrecognized subcommand: argument 1, use report"),
        (&["hunter2"], "unrecognized subcommand: argument 1, use report"),
        (&["report", "--databse-url=x"], "unexpected argument found: --databse-url, use --database-url"),
        (&["report", "--bogus"], "unexpected argument found: --bogus"),
        (&["report", "--since", "2h", "--formt", "md"], "unexpected argument found: --formt, use --format"),
        (&["report", "x"], "unexpected argument found: argument 2, a URL goes after --database-url"),
        (&["report", "--", "-y"], "unexpected argument found: argument 3"),
        (&["report", "--since"], "a value is missing: --since <TIME>"),
        (
            &["report", "--since", "-7d"],
            "--since <TIME>, a length of time counts back from now and has no sign, such as 7d",
        ),
        (&["report", "--from", "soon"], "--from <TIME>, use a time such as"),
        (&["report", "--to=soon"], "--to <TIME>, use a time such as"),
        (&["report", "--database-url"], "a value is missing: --database-url <URL>"),
        (&["report", "--format"], "a value is missing: --format <FORMAT>, use text, md, json, csv"),
        (&["report", "--since", "1h", "--since", "2h"], "an option is given more than once: --since <TIME>"),
        (&["compare", "7d..", "--runs", "1d..", "2d..1d"], "use only one of "),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
    }
}

#[tokio::test]
async fn a_question_that_no_row_can_answer_is_refused_with_the_remedy() {
    let file = ledger_with_a_call().await;
    let ask = |more: &[&str]| run(&[&["report", "--database-url", &file.url()][..], more].concat());
    for (more, status, message) in [
        (&["--by", "rout"][..], 0, "note: no row has the key rout: check its name\n"),
        (&["--by", "source,rout,hour"], 0, "note: no row has the key rout: check its name\n"),
        (&["--by", "planner_success,day"], 0, ""),
        (&["--from", "2026-11-08", "--to", "2026-11-01"], 1, "error: the window ends before it begins"),
        (&["--where", "status<>500"], 1, "error: the value of a condition begins with a sign"),
    ] {
        let output = ask(more);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{more:?}: {said}");
        assert!(said.starts_with(message) && said.is_empty() == message.is_empty(), "{more:?}: {said}");
    }
    let window = ask(&["--from", "2026-11-01", "--to", "2126-11-01 12:00", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&window)).expect("JSON");
    assert_eq!(json["window"]["since"], "2026-11-01T00:00:00.000000Z", "{json}");
    assert_eq!(json["window"]["until"], "2126-11-01T12:00:00.000000Z", "{json}");
    let twice = ask(&["--database-url", &file.url()]);
    assert_eq!(twice.status.code(), Some(1), "{}", stderr(&twice));
    assert!(stderr(&twice).contains("name the same database"), "{}", stderr(&twice));
}

#[test]
fn a_server_that_is_not_there_a_full_disk_and_a_directory_are_named_with_what_to_check() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let nobody = run(&["report", "--database-url", &format!("postgres://bob@{free}/app?connect_timeout=5")]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("check the host and the port"), "{}", stderr(&nobody));
    #[cfg(target_os = "linux")]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
        let output = command(&["schema"]).stdout(full).output().expect("it starts");
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with("error: cannot write to stdout: "), "{}", stderr(&output));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let output = run(&["report", "--from-log", directory.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("it is a directory: name the files in it"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_length_of_time_may_reach_back_before_the_first_year() {
    let file = ledger_with_a_call().await;
    let postgres = Cluster::shared().database();
    for url in [file.url(), postgres.clone()] {
        for span in ["2000000d", "4000000d", "2000y", "99999999999d"] {
            let output = run(&["report", "--database-url", &url, "--since", span, "--format", "json"]);
            let found = if url == postgres { 3 } else { 0 };
            let expected = if span.ends_with("00000d") { found } else { 2 };
            assert_eq!(output.status.code(), Some(expected), "{span}: {}", stderr(&output));
        }
    }
}

#[test]
fn an_argument_in_the_wrong_place_is_not_repeated() {
    for arguments in [
        &["report", "host=db user=bob password=hunter2"][..],
        &["report", "--format", "postgres:bob:hunter2"],
        &["report", "--hunter2"],
        &["hunter2"],
        &["report", "--database-url", "sqlite:x", "--since", "hunter2"],
        &["report", "--database-url", "sqlite:x", "--format", "hunter2"],
    ] {
        let output = run(arguments);
        let said = stderr(&output) + &stdout(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains("hunter2") && said.contains("--help"), "{said}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let refused = Cluster::shared().url().replace("postgres@", "bob:hunter2@");
    let unreadable = "postgres://bob:hunter2@db:port/app";
    let calls: [&[&str]; 7] = [
        &["report", "--database-url", &refused],
        &["report", "--database-url", unreadable],
        &["report", "--database-url", "mysql://bob:hunter2@db/app"],
        &["report", "--database-url", "bob:hunter2@db/app"],
        &["report", unreadable],
        &[unreadable],
        &["report", "--since", unreadable],
    ];
    for arguments in calls {
        let output = run(arguments);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        assert_no_secret(&output);
    }
    for arguments in [&["report", "--help"][..], &["report", "--since", "x"]] {
        assert_no_secret(&command(arguments).env("DATABASE_URL", unreadable).output().expect("it starts"));
    }
}

fn assert_no_secret(output: &Output) {
    let text = stdout(output) + &stderr(output);
    assert!(!text.contains("hunter2") && !text.contains("bob"), "{text}");
    assert!(!text.is_empty());
}

/// What the command prints to a terminal.
#[cfg(target_os = "linux")]
fn on_a_terminal(arguments: &str, environment: [(&str, &str); 2]) -> String {
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_tracing-ledger"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env_remove("DATABASE_URL").env_remove("NO_COLOR");
    stdout(&script.envs(environment).output().expect("script starts"))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let file = ledger_with_a_call().await;
    let report = format!("report --database-url {}", file.url());
    let out = tempfile::NamedTempFile::new().expect("a file");
    let to_file = format!("{report} --out {}", out.path().display());
    let terminal = ("TERM", "xterm");
    assert!(on_a_terminal(&report, [terminal, ("NO_COLOR", "")]).contains("\u{1b}[1mEvent types\u{1b}[0m"));
    on_a_terminal(&to_file, [terminal, ("NO_COLOR", "")]);
    for plain in [
        on_a_terminal(&report, [terminal, ("NO_COLOR", "1")]),
        on_a_terminal(&report, [("TERM", "dumb"), ("NO_COLOR", "")]),
        on_a_terminal(&format!("{report} --format md"), [terminal, ("NO_COLOR", "")]),
        stdout(&run(&report.split(' ').collect::<Vec<_>>())),
        std::fs::read_to_string(out.path()).expect("written"),
    ] {
        assert!(plain.contains("Event types") && !plain.contains('\u{1b}'), "{plain:?}");
    }
}
