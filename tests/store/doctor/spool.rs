//! The doctor looks at the directory of the spool, and at the rows in its quarantine.

#[cfg(feature = "cli")]
use std::process::Command;

use super::*;

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
    assert_fault(&builder, &url, "quarantine", Health::Wrong, &["2 rows", "quarantine.jsonl"]);
    let elsewhere = builder.spool_dir("/etc/passwd");
    assert_fault(&elsewhere, &url, "spool", Health::Wrong, &["is not a directory"]);
}

#[test]
fn a_spool_that_cannot_be_made_is_wrong() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("it is written");
    let url = Cluster::shared().database();
    for spool in [file.join("spool"), file.join("deeper/spool")] {
        let place = format!("cannot be made in {}", file.display());
        let words = [&*place, "name a path whose parents are directories"];
        assert_fault(&tracing_ledger::builder().spool_dir(&spool), &url, "spool", Health::Wrong, &words);
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
    // By another process: a child that another test starts meanwhile would keep it open for writing, and thus busy.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_tracing-ledger")).arg(&program).status();
    assert!(copied.expect("cp is there").success());
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
