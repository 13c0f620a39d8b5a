//! The forms of a URL.

use super::*;

#[test]
fn the_forms_of_hosts_and_ports() {
    for (url, expected) in [
        ("postgres://u@[::1]:5433/db", "::1:5433"),
        ("postgres://[::1]/db", "::1:5432"),
        ("postgres://[fe80::1%25eth0]/db", "fe80::1%eth0:5432"),
        ("postgres://u@[::1]:1,[::2]:2/db", "::1:1 ::2:2"),
        ("postgres://db", "db:5432"),
        ("postgres://", "-:5432"),
        ("postgres:///db", "-:5432"),
        ("postgres://u@/db?host=/run/pg", "/run/pg:5432"),
        ("postgres://u@/db?host=/run/pg&port=7", "/run/pg:7"),
        ("postgres://u@%2Frun%2Fpg/db", "/run/pg:5432"),
        ("postgres://u@%2Frun%2Fpg:7/db", "/run/pg:7"),
        ("postgres://u@:7/db", "-:7"),
        ("postgresql://a:1,b:2/db", "a:1 b:2"),
        ("postgres://a,b/db", "a:5432 b:5432"),
        ("postgres://a:1,b/db", "a:1 b:5432"),
        ("postgres:///db?host=a,b&port=1,2", "a:1 b:2"),
        ("postgres:///db?host=a,b&port=1", "a:1 b:1"),
        ("postgres:///db?host=a,/run/pg,&port=1,2,3", "a:1 /run/pg:2 -:3"),
        ("postgres://a/db?host=b", "b:5432"),
        ("postgres://a/db?hostaddr=10.0.0.1", "10.0.0.1:5432"),
        ("postgres:///db?hostaddr=::1,10.0.0.1&port=1,2", "::1:1 10.0.0.1:2"),
        ("postgres://a?sslmode=disable", "a:5432"),
    ] {
        assert_eq!(servers(&read(url)), expected, "{url}");
    }
}

#[test]
fn user_password_and_database() {
    for (url, user, s3cret, database) in [
        ("postgres://bob:se%2Fcr%40t@db/app", "bob", "se%2Fcr%40t", "app"),
        ("postgres://bob:p+w:x@db/app", "bob", "p+w:x", "app"),
        ("postgres://bob:p%2Bw@db/app", "bob", "p+w", "app"),
        ("postgres://bob:p@w@db/app", "bob", "p%40w", "app"),
        ("postgres://bob:p%23w@db/%61pp", "bob", "p%23w", "app"),
        ("postgres://bob@db", "bob", "", "bob"),
        ("postgres://db/app?user=bob&password=p%26w", "bob", "p%26w", "app"),
        ("postgres://x:y@db/z?user=bob&password=pw&dbname=app", "bob", "pw", "app"),
    ] {
        let address = read(url);
        let options = options_of(&address);
        assert_eq!(options.get_username(), user, "{url}");
        assert_eq!(options.get_database(), Some(database), "{url}");
        assert_eq!(password(&address, 0), s3cret, "{url}");
    }
}

#[test]
fn without_a_user_it_is_the_one_of_the_process() {
    let own = std::process::Command::new("id").arg("-un").output().expect("coreutils").stdout;
    let own = String::from_utf8(own).expect("a name");
    let options = options_of(&read("postgres://localhost"));
    assert_eq!((options.get_username(), options.get_database()), (own.trim(), Some(own.trim())));

    let options = options_of(&read_in("postgres://localhost/app", &[("PGUSER", "bob")]).expect("an address"));
    assert_eq!((options.get_username(), options.get_database()), ("bob", Some("app")));

    let settings = Settings::read("postgres://localhost/app", &Environment(&|_| None)).expect("an address");
    let error = user(&settings, || None).expect_err("nobody is named").to_string();
    assert!(error.contains("names no user") && error.contains("set PGUSER"), "{error}");
}

#[expect(clippy::too_many_lines, reason = "the cases are one table")]
#[test]
fn a_url_that_cannot_be_read_names_the_fault_and_no_part_of_itself() {
    for (url, words) in [
        ("mysql://bob:s3cret@db/app", "begin with postgres://"),
        ("s3cret", "begin with postgres://"),
        ("postgres:s3cret", "begin with postgres://"),
        ("postgres://bob:se/s3cret@db/app", "percent-encode the special characters"),
        ("postgres://bob:se?s3cret@db/app", "write ? as %3F"),
        ("postgres://bob:%ffs3cret@db/app", "no UTF-8"),
        ("postgres://bob:%zzs3cret@db/app", "write % as %25"),
        ("postgres://bob:s3cret%00@db/app", "write % as %25"),
        ("postgres://bob:s3cret%@db/app", "write % as %25"),
        ("postgres://bob:s3cret@db:port/app", "a port is no number"),
        ("postgres://bob:s3cret@db:70000/app", "a port is no number"),
        ("postgres://bob:s3cret@[::1/app", "has no ]"),
        ("postgres://bob:s3cret@[::1]5432/app", "after the ]"),
        ("postgres://bob:s3cret@::1/app", "needs brackets"),
        ("postgres://bob:s3cret@db/app?sslmode", "has no value"),
        ("postgres://bob:s3cret@db/app?port=s3cret", "parameter port of the Postgres URL is no number"),
        ("postgres://bob:s3cret@db/app?port=0", "parameter port of the Postgres URL is no number"),
        ("postgres://bob:s3cret@a,b,c/app?port=1,2", "as many ports as hosts"),
        ("postgres://bob:s3cret@a,b/app?hostaddr=10.0.0.1", "have different lengths"),
        ("postgres://bob:s3cret@db/app?hostaddr=s3cret", "no numeric address"),
        ("postgres://bob:s3cret@db/app?host=@s3cret", "abstract sockets"),
        (
            "postgres://bob:s3cret@db/app?connect_timeout=s3cret",
            "connect_timeout of the Postgres URL is no whole number",
        ),
        ("postgres://bob:s3cret@db/app?target_session_attrs=s3cret", "use any, read-write"),
        ("postgres://bob:s3cret@db/app?load_balance_hosts=s3cret", "use disable or random"),
        ("postgres://bob:s3cret@db/app?sslmode=s3cret", "use disable, allow"),
        ("postgres://bob:s3cret@db/app?hostaddr=10.0.0.1&sslmode=verify-full", "leave out hostaddr"),
    ] {
        refused(url, &[], &[words]);
    }
    // The advice about passwords is for those who need it.
    for url in [
        "postgres://db:port/app",
        "postgres://bob@db/app?sslmode=s3cret",
        "postgres:///db?host=a,b&port=1,2,3",
    ] {
        let error = read_in(url, &[]).err().expect("it is refused").to_string();
        assert!(!error.contains("percent-encode"), "{url}: {error}");
    }
}

#[test]
fn an_unknown_parameter_is_refused_with_the_one_that_is_meant() {
    for (name, near) in [
        ("SSLMODE", "sslmode"),
        ("sslmod", "sslmode"),
        ("ssl_mode", "sslmode"),
        ("%53SLMODE", "sslmode"),
        ("ssl", "leave it out"),
        ("target_session_attr", "target_session_attrs"),
        ("applicationname", "application_name"),
        ("connection_timeout", "connect_timeout"),
        ("hosts", "host"),
        ("entirely_different", "leave it out"),
    ] {
        let shown = name.replace("%53", "S");
        refused(&format!("postgres://db/app?a=b&{name}=x").replace("a=b&", ""), &[], &[&shown, near]);
    }
    // Of a password that was not encoded, no piece is shown.
    refused("postgres://bob:x/y?z&s3cret=1@db/app?a=b", &[], &["URL"]);
    refused("postgres://bob/y?s3cret=1@db/app", &[], &["an unknown parameter"]);
    refused("postgres://db/app?schema=audit", &[], &["schema", "options=-csearch_path"]);
}
