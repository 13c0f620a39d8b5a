//! Password files and service files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn file(folder: &Path, name: &str, text: &str, mode: u32) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("it is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_password_file_gives_each_server_its_password() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "# a:1:app:bob:comment\na:1:app:bob:one\nb:*:*:*:t\\:w\\\\o\nlocalhost:5432:*:*:three\nbroken\n::1:1:a:b:c\n\\:\\:1:*:*:*:six\n";
    let path = file(folder.path(), "pgpass", text, 0o600);
    let passwords = |url: &str| {
        let address = read_in(url, &[("PGPASSFILE", &path)]).expect(url);
        (0..address.servers()).map(|server| password(&address, server)).collect::<Vec<_>>()
    };
    assert_eq!(passwords("postgres://bob@a:1,b:2,c:3/app"), ["one", "t:w\\o", ""]);
    assert_eq!(passwords("postgres://bob@a:1/other"), [""]);
    assert_eq!(passwords("postgres://bob:own@a:1/app"), ["own"]);
    assert_eq!(passwords("postgres://bob@/app"), ["three"]);
    assert_eq!(passwords("postgres://bob@/app?host=/tmp"), ["three"]);
    assert_eq!(passwords("postgres://bob@[::1]/app"), ["six"]);
    assert_eq!(passwords("postgres://bob@b/app?hostaddr=10.0.0.1"), ["t:w\\o"]);
    let by_url = read(&format!("postgres://bob@a:1/app?passfile={path}"));
    assert_eq!(password(&by_url, 0), "one");
    for mode in [0o640, 0o604, 0o660, 0o644] {
        let open = file(folder.path(), "open", text, mode);
        assert_eq!(password(&read(&format!("postgres://bob@a:1/app?passfile={open}")), 0), "", "{mode:o}");
    }
}

#[test]
fn a_service_file_comes_between_the_url_and_the_environment() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "# comment\n[other]\nhost=x\n\n[prod]\nhost=a,b\nport = 1,2\ndbname=app\nsslmode=disable\n[later]\nhost=y\n\
                [mode]\nsslmode=verify_full\n[typo]\nsslmod=require\n[twice]\nservice=prod\n[ldap]\nldap://x\n[bad]\nnothing\n";
    let path = file(folder.path(), "pg_service.conf", text, 0o644);
    let variables = [("PGSERVICEFILE", &*path), ("PGPORT", "9"), ("PGSSLMODE", "require")];
    for url in ["postgres://?service=prod", &format!("postgres:///?service=prod&servicefile={path}")] {
        let address = read_in(url, &variables).expect("good");
        assert_eq!((servers(&address), mode(&address)), ("a:1 b:2".to_owned(), "Disable".to_owned()));
        assert_eq!(options_of(&address).get_database(), Some("app"));
    }
    let in_system = [("PGSYSCONFDIR", folder.path().to_str().expect("UTF-8")), ("PGSERVICE", "prod")];
    assert_eq!(servers(&read_in("postgres://c:3,d:4/db", &in_system).expect("good")), "c:3 d:4");
    assert_eq!(servers(&read_in("postgres://", &in_system).expect("good")), "a:1 b:2");
    for (service, words) in [
        ("nobody", "is in no service file"),
        ("mode", "parameter sslmode of the service"),
        ("typo", "did you mean sslmode?"),
        ("twice", "names another service"),
        ("ldap", "LDAP"),
        ("bad", "PARAMETER=VALUE"),
    ] {
        refused(&format!("postgres://?service={service}"), &variables, &[words]);
    }
    refused(
        "postgres://?service=prod",
        &[("PGSERVICEFILE", "/no/such/file")],
        &["a service file cannot be read"],
    );
}
