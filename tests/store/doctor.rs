//! The doctor finds what is wrong with a real database, says what to do, and leaves no row.

use std::process::{Command, Output};
use std::time::Duration;

use support::{Cluster, DEADLINE, free_port};
use tracing_ledger::{Builder, Checkup, Finding, Health};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

const TIMEOUT: Duration = Duration::from_secs(60);
/// For what never comes.
const SHORT: Duration = Duration::from_secs(2);

fn check(builder: &Builder, url: &str) -> Checkup {
    builder.check(url, TIMEOUT).expect("the options are right")
}

/// The one finding that is not ok.
#[track_caller]
fn fault(checkup: &Checkup) -> &Finding {
    let faults: Vec<_> = checkup.findings.iter().filter(|finding| finding.health != Health::Ok).collect();
    assert_eq!(faults.len(), 1, "{checkup}");
    faults[0]
}

#[track_caller]
fn assert_fault(checkup: &Checkup, topic: &str, health: Health, words: &[&str]) {
    let found = fault(checkup);
    assert_eq!((found.topic, found.health), (topic, health), "{checkup}");
    assert!(words.iter().all(|word| found.text.contains(word)), "{words:?}: {checkup}");
    assert!(!checkup.to_string().contains("s3cret"), "{checkup}");
}

fn as_role(url: &str, role: &str) -> String {
    url.replace("postgres@", &format!("{role}@"))
}

#[test]
fn all_is_well_and_no_row_stays() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let checkup = check(&tracing_ledger::builder(), &url);
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    for topic in ["rules", "spool", "connection", "tls", "clock", "table", "rights", "indexes", "rows"] {
        assert!(checkup.findings.iter().any(|finding| finding.topic == topic), "{topic}: {checkup}");
    }
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), "0");
}

#[test]
fn a_role_without_the_right_is_told_the_grant() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    cluster.psql(&url, "CREATE ROLE doctors_stranger LOGIN");
    let checkup = check(&tracing_ledger::builder(), &as_role(&url, "doctors_stranger"));
    assert_fault(&checkup, "rights", Health::Wrong, &["GRANT INSERT ON observability_events"]);
    cluster.psql(&url, "GRANT INSERT ON observability_events TO doctors_stranger");
    let checkup = check(&tracing_ledger::builder(), &as_role(&url, "doctors_stranger"));
    assert_eq!(checkup.health(), Health::Ok, "a role that only writes is no fault: {checkup}");
}

#[test]
fn a_wrong_role_is_wrong() {
    let url = as_role(&Cluster::shared().database(), "nobody_by_that_name");
    assert_fault(
        &check(&tracing_ledger::builder(), &url),
        "connection",
        Health::Wrong,
        &["the login was refused"],
    );
}

#[test]
fn a_missing_table_is_named_with_the_command() {
    let url = Cluster::shared().empty_database();
    let checkup = check(&tracing_ledger::builder().table("calls"), &url);
    assert_fault(
        &checkup,
        "table",
        Health::Wrong,
        &["the table calls does not exist", "tracing-ledger schema --table calls"],
    );
}

#[test]
fn a_missing_column_is_named() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    cluster.psql(&url, "ALTER TABLE observability_events DROP COLUMN booking_id");
    assert_fault(&check(&tracing_ledger::builder(), &url), "table", Health::Wrong, &["no column booking_id"]);
}

#[test]
fn a_missing_index_is_named_with_its_statement() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    cluster.psql(&url, "DROP INDEX observability_events_event_type_created_at_idx");
    let checkup = check(&tracing_ledger::builder(), &url);
    let remedy = "CREATE INDEX CONCURRENTLY ON observability_events (event_type, created_at DESC)";
    assert_fault(&checkup, "indexes", Health::Wrong, &[remedy]);
    cluster.psql(&url, remedy);
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Ok);
}

/// Postgres makes no index of a partitioned table `CONCURRENTLY`.
#[test]
fn the_missing_indexes_of_a_partitioned_table_are_made_by_the_statements() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let table = "ALTER TABLE observability_events RENAME TO plain;
        CREATE TABLE observability_events (LIKE plain, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
        CREATE TABLE part PARTITION OF observability_events DEFAULT";
    cluster.psql(&url, table);
    let checkup = check(&tracing_ledger::builder(), &url);
    let missing: Vec<_> = checkup.findings.iter().filter(|finding| finding.topic == "indexes").collect();
    assert_eq!(missing.len(), 2, "{checkup}");
    for finding in missing {
        let (_, statement) = finding.text.split_once(": ").expect("a statement");
        cluster.psql(&url, statement);
    }
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Ok);
}

/// The contract allows these columns, which the documented queries cannot read.
#[test]
fn a_column_of_another_type_is_named_with_what_mends_the_queries() {
    let cluster = Cluster::shared();
    let outcomes = "SELECT context ->> 'outcome', jsonb_pretty(context) FROM observability_events
        WHERE created_at > now() - interval '1 hour'";
    for (context, created_at, words) in [
        ("text", "timestamptz", &["context is of type text, so context ->> 'outcome' fails"][..]),
        ("json", "timestamptz", &["context is of type json, so jsonb_pretty(context) fails"]),
        ("jsonb", "timestamp", &["right in the time zone UTC alone"]),
        ("varchar", "timestamp", &["context ->> 'outcome' fails", "right in the time zone UTC alone"]),
    ] {
        let url = cluster.database();
        let types = format!(
            "ALTER context TYPE {context}, ALTER created_at DROP DEFAULT, ALTER created_at TYPE {created_at}"
        );
        cluster.psql(&url, &format!("ALTER TABLE observability_events {types}"));
        let checkup = check(&tracing_ledger::builder(), &url);
        assert_fault(&checkup, "queries", Health::Warning, words);
        let (_, statement) = fault(&checkup).text.split_once(": ").expect("a statement");
        cluster.psql(&url, statement);
        cluster.psql(&url, outcomes);
        let checkup = check(&tracing_ledger::builder(), &url);
        assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    }
}

#[test]
fn a_constraint_that_rejects_the_rows_of_a_rule_is_found() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    cluster.psql(&url, "ALTER TABLE observability_events ADD CHECK (event_type <> 'orders.create')");
    let rules = "builtin = true\n[[rule]]\nspan = 'work'\nevent_type = 'orders.create'\n";
    let checkup = check(&tracing_ledger::builder().rules(rules.parse().expect("good rules")), &url);
    let remedy = "ALTER TABLE observability_events DROP CONSTRAINT \"observability_events_event_type_check\"";
    let words = ["rows of \"orders.create\" are rejected", remedy, "or change the event_type in their rules"];
    assert_fault(&checkup, "constraints", Health::Wrong, &words);
    cluster.psql(&url, remedy);
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Ok);
}

/// Only the calls know the fields.
#[test]
fn a_constraint_of_the_context_that_rows_may_pass_is_a_warning() {
    let url = Cluster::shared().database();
    let constraint = "CHECK (event_type = 'ledger.loss' OR context ? 'order_id')";
    Cluster::shared().psql(&url, &format!("ALTER TABLE observability_events ADD {constraint}"));
    let rules = "[[rule]]\nspan = 'c'\n".parse().expect("good rules");
    let checkup = check(&tracing_ledger::builder().rules(rules), &url);
    let words =
        ["rows of \"c\" are rejected without the fields of their calls", "see whether the real rows pass"];
    assert_fault(&checkup, "constraints", Health::Warning, &words);
}

#[test]
fn a_table_that_the_ledger_makes_need_not_be_there_yet() {
    let url = Cluster::shared().empty_database();
    Cluster::shared().psql(&url, "CREATE SCHEMA late");
    for (builder, text) in [
        (tracing_ledger::builder().table("calls"), "calls does not exist yet: the first rows make it"),
        (
            tracing_ledger::builder().table("late.calls"),
            "late.calls does not exist yet: the first rows make it",
        ),
    ] {
        assert_eq!(check(&builder, &url).health(), Health::Wrong);
        let checkup = check(&builder.create_table(true), &url);
        assert_eq!(checkup.health(), Health::Ok, "{checkup}");
        assert!(
            checkup.findings.iter().any(|found| found.topic == "table" && found.text == text),
            "{checkup}"
        );
    }
    let made = tracing_ledger::builder().table("late.calls").create_table(true);
    let (layer, guard) = made.build(&url).expect("a ledger");
    assert_eq!(guard.check(TIMEOUT).health(), Health::Ok, "before the first row");
    tracing::subscriber::with_default(Registry::default().with(layer), || {
        tracing::info!(ledger.event = "call");
    });
    guard.shutdown(TIMEOUT).expect("it makes the table");
    assert_eq!(Cluster::shared().psql(&url, "SELECT count(*) FROM late.calls"), "1");
    Cluster::shared().psql(&url, "DROP TABLE late.calls");
    let table =
        "SELECT count(*) FROM pg_class WHERE relname LIKE '%calls' OR relname = 'observability_events'";
    assert_eq!(Cluster::shared().psql(&url, table), "0");
}

/// The public schema is nobody's to make tables in since PostgreSQL 15.
#[test]
fn a_table_that_the_role_may_not_make_is_a_fault() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    let role = "doctors_maker";
    cluster.psql(
        &url,
        &format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE SCHEMA own"),
    );
    let as_role = as_role(&url, role);
    for (table, topic, words) in [
        ("calls", "rights", "GRANT CREATE ON SCHEMA \"public\" TO"),
        ("own.calls", "rights", "may not use the schema own"),
        ("late.calls", "table", "let an owner run CREATE SCHEMA \"late\""),
    ] {
        let checkup = check(&tracing_ledger::builder().table(table).create_table(true), &as_role);
        assert_fault(&checkup, topic, Health::Wrong, &[words]);
    }
}

/// As for a program that reads the environment.
#[cfg(feature = "cli")]
#[test]
fn wrong_rules_and_variables_are_findings_and_the_database_is_looked_at() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = Cluster::shared().database();
    let rules = |text: &str| {
        let path = folder.path().join("rules.toml");
        std::fs::write(&path, text).expect("a file is written");
        path
    };
    let doctor = |rules: Option<&std::path::Path>, variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
        command.args(["doctor", "--database-url", &url]);
        if let Some(rules) = rules {
            command.arg("--rules").arg(rules);
        }
        command.env_remove("NO_SUCH_VERSION").envs(variable.map(|name| (name, "1")));
        let output = command.output().expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(said.contains("ok    rights"), "{said}");
        let wrong: Vec<_> = said.lines().filter(|line| line.starts_with("WRONG ")).collect();
        let [wrong] = wrong[..] else { panic!("{said}") };
        wrong.to_owned()
    };
    let wrong = doctor(Some(&rules("[[rule]]\nspan = 'c'\nredat = ['a']\n")), None);
    assert!(wrong.starts_with("WRONG rules ") && wrong.contains("did you mean \"redact\"?"), "{wrong}");
    let wrong = doctor(Some(&rules("builtin = true\n[all]\nset = { v = '$NO_SUCH_VERSION' }\n")), None);
    assert!(wrong.starts_with("WRONG rules ") && wrong.contains("NO_SUCH_VERSION"), "{wrong}");
    let wrong = doctor(None, Some("TRACING_LEDGER_RULEZ"));
    assert!(wrong.starts_with("WRONG environment TRACING_LEDGER_RULEZ is no variable"), "{wrong}");
}

#[test]
fn the_rows_that_are_tried_have_the_constants_of_all_rows() {
    let url = Cluster::shared().database();
    Cluster::shared().psql(
        &url,
        "ALTER TABLE observability_events ADD CHECK ((context ->> 'service' = 'orders') IS TRUE)",
    );
    let rules = "builtin = true\n[all]\nset = { service = 'orders' }\n".parse().expect("good rules");
    let builder = tracing_ledger::builder().rules(rules);
    let checkup = builder.check_by_writing(&url, TIMEOUT).expect("the options are right");
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    assert_eq!(check(&tracing_ledger::builder(), &url).health(), Health::Wrong, "without the constant");
}

#[test]
fn a_server_that_is_not_there_could_not_be_looked_at() {
    let url = format!("postgres://someone:s3cret@127.0.0.1:{}/app", free_port());
    assert_fault(
        &check(&tracing_ledger::builder(), &url),
        "connection",
        Health::Unknown,
        &["cannot connect"],
    );
}

#[test]
fn a_spool_with_quarantined_rows_is_wrong() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let spool = dir.path().join("spool");
    let url = Cluster::shared().database();
    let builder = tracing_ledger::builder().spool_dir(&spool);
    assert_eq!(check(&builder, &url).health(), Health::Ok, "it may be made later");
    assert!(!spool.exists());
    drop(builder.clone().build::<Registry>(&url).expect("a ledger"));
    assert_eq!(check(&builder, &url).health(), Health::Ok);
    std::fs::write(spool.join("quarantine.jsonl"), "{}\n{}\n").expect("it is written");
    assert_fault(&check(&builder, &url), "quarantine", Health::Wrong, &["2 rows", "quarantine.jsonl"]);
    assert_fault(
        &check(&builder.spool_dir("/etc/passwd"), &url),
        "spool",
        Health::Wrong,
        &["is not a directory"],
    );
}

#[test]
fn a_spool_that_cannot_be_made_is_wrong() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("it is written");
    let url = Cluster::shared().database();
    for spool in [file.join("spool"), file.join("deeper/spool")] {
        let checkup = check(&tracing_ledger::builder().spool_dir(&spool), &url);
        let place = format!("cannot be made in {}", file.display());
        assert_fault(
            &checkup,
            "spool",
            Health::Wrong,
            &[&place, "name a path whose parents are directories"],
        );
    }
    let checkup = check(&tracing_ledger::builder().spool_dir(dir.path().join("deep/er")), &url);
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
}

/// Root may write everywhere, so it asks as somebody else.
#[cfg(feature = "cli")]
#[test]
fn a_spool_that_the_user_may_not_write_is_wrong() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;

    let dir = tempfile::tempdir().expect("a temporary folder");
    let url = Cluster::shared().database();
    let may =
        |mode| std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).expect("its own");
    may(0o555);
    // Where an account without rights may start it.
    let program = std::env::temp_dir().join(format!("tracing-ledger-{}", uuid::Uuid::now_v7()));
    std::fs::copy(env!("CARGO_BIN_EXE_tracing-ledger"), &program).expect("it is copied");
    let place = dir.path().display();
    for (spool, words) in [
        (dir.path().join("spool"), format!("cannot be made in {place}")),
        (dir.path().to_owned(), format!("cannot write to the spool directory {place}")),
    ] {
        let mut command = Command::new(&program);
        command.args(["doctor", "--database-url", &url, "--spool"]).arg(&spool).current_dir("/");
        if dir.path().metadata().expect("it is there").uid() == 0 {
            let (user, group) = support::unprivileged();
            command.uid(user).gid(group);
        }
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let remedy = "let the service's user read and write there (chown";
        assert!(said.contains("WRONG spool") && said.contains(&words) && said.contains(remedy), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
    may(0o755);
    std::fs::remove_file(program).expect("it is there");
}

#[test]
fn a_guard_looks_at_its_own_ledger() {
    let url = Cluster::shared().database();
    let (_ledger, guard) = tracing_ledger::builder().build::<Registry>(&url).expect("a ledger");
    let checkup = guard.check(TIMEOUT);
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    assert!(checkup.findings.iter().any(|finding| finding.topic == "writer"), "{checkup}");
    guard.shutdown(DEADLINE).expect("nothing is left");
}

#[test]
fn a_marked_row_goes_all_the_way() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let checkup = tracing_ledger::builder().check_by_writing(&url, TIMEOUT).expect("the options are right");
    assert_eq!(checkup.health(), Health::Ok, "{checkup}");
    assert!(checkup.findings.iter().any(|finding| finding.topic == "write"), "{checkup}");
    assert_eq!(cluster.psql(&url, "SELECT event_type FROM observability_events"), "ledger.check");
    cluster.psql(&url, "CREATE RULE gone AS ON INSERT TO observability_events DO INSTEAD NOTHING");
    let checkup = tracing_ledger::builder().check_by_writing(&url, SHORT).expect("the options are right");
    assert_eq!(checkup.health(), Health::Wrong, "{checkup}");
}

#[cfg(feature = "cli")]
fn doctor(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.arg("doctor").args(arguments).output().expect("it starts")
}

#[cfg(feature = "cli")]
#[test]
fn the_command_ends_with_the_state() {
    let url = Cluster::shared().database();
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let well = doctor(&["--database-url", &url, "--write"]);
    assert_eq!(well.status.code(), Some(0), "{}", said(&well));
    assert!(said(&well).lines().all(|line| line.starts_with("ok ")), "{}", said(&well));
    let wrong = doctor(&["--database-url", &url, "--table", "calls"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", said(&wrong));
    assert!(said(&wrong).contains("WRONG table"), "{}", said(&wrong));
    let away = format!("postgres://someone:s3cret@127.0.0.1:{}/app", free_port());
    let unknown = doctor(&["--database-url", &away]);
    assert_eq!(unknown.status.code(), Some(2), "{}", said(&unknown));
    let nothing = doctor(&["--database-url", &url, "--rules", "no-such-file.toml"]);
    assert_eq!(nothing.status.code(), Some(2), "rules that cannot be read");
    assert!(
        said(&nothing).starts_with("?     rules") && said(&nothing).contains("ok    rights"),
        "{}",
        said(&nothing)
    );
}
