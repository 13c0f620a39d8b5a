//! The names, timeouts and servers of a session, from the URL and from the environment.

use super::*;

#[test]
fn names_and_session_options() {
    let name = |url: &str, variables: &[(&str, &str)]| {
        options_of(&read_in(url, variables).expect(url)).get_application_name().map(str::to_owned)
    };
    let api = Some("api".to_owned());
    assert_eq!(name("postgres://db/app", &[]).as_deref(), Some("tracing-ledger"));
    assert_eq!(name("postgres://db/app?application_name=api", &[("PGAPPNAME", "other")]), api);
    assert_eq!(name("postgres://db/app?fallback_application_name=other", &[("PGAPPNAME", "api")]), api);
    assert_eq!(name("postgres://db/app?fallback_application_name=api", &[]), api);
    for (url, expected) in [
        ("postgres://db/app?options=-c%20search_path%3Daudit", "-c search_path=audit"),
        ("postgres://db/app?options=-csearch_path=audit", "-csearch_path=audit"),
        ("postgres://db/app?options[search_path]=audit", "-c search_path=audit"),
        ("postgres://db/app?options=-ca%3Db%2Bc", "-ca=b+c"),
    ] {
        assert_eq!(options_of(&read(url)).get_options(), Some(expected), "{url}");
    }
}

#[test]
fn timeouts_sessions_and_the_order_of_servers() {
    let timeout = |value: &str| read(&format!("postgres://db/app?connect_timeout={value}")).timeout;
    assert_eq!(timeout("3"), Some(Duration::from_secs(3)));
    assert_eq!(timeout("60"), Some(Duration::from_secs(60)));
    assert_eq!((timeout("0"), timeout("-1"), timeout("")), (None, None, None));
    for word in ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] {
        let by_url = read(&format!("postgres://a,b/app?target_session_attrs={word}")).session;
        let by_variable =
            read_in("postgres://a,b/app", &[("PGTARGETSESSIONATTRS", word)]).expect(word).session;
        assert_eq!((by_url.map(Session::word), by_variable.map(Session::word)), (Some(word), Some(word)));
    }
    let random = read("postgres://a,b,c,d/app?load_balance_hosts=random");
    assert!((0..1000).any(|_| servers(&random).starts_with('d')), "each comes first at some time");
    let ordered = read("postgres://a,b/app?load_balance_hosts=disable");
    assert!((0..100).all(|_| servers(&ordered).starts_with('a')));
}

#[test]
fn the_environment_fills_in_what_the_url_lacks() {
    let variables = [
        ("PGHOST", "a,b"),
        ("PGPORT", "1,2"),
        ("PGUSER", "bob"),
        ("PGPASSWORD", "pw"),
        ("PGDATABASE", "app"),
        ("PGCONNECT_TIMEOUT", "7"),
        ("PGLOADBALANCEHOSTS", "disable"),
    ];
    let address = read_in("postgres://", &variables).expect("good");
    assert_eq!(servers(&address), "a:1 b:2");
    assert_eq!(options_of(&address).get_username(), "bob");
    assert_eq!(options_of(&address).get_database(), Some("app"));
    assert_eq!((password(&address, 0), address.timeout), ("pw".to_owned(), Some(Duration::from_secs(7))));
    let address = read_in("postgres://u:x@c:3/d", &variables).expect("good");
    assert_eq!((servers(&address), password(&address, 0)), ("c:3".to_owned(), "x".to_owned()));
    assert_eq!(servers(&read_in("postgres://", &[("PGHOST", "/run/pg")]).expect("good")), "/run/pg:5432");
    assert_eq!(servers(&read_in("postgres://", &[("PGHOSTADDR", "::1")]).expect("good")), "::1:5432");
    assert_eq!(servers(&read_in("postgres://", &[("PGHOST", "")]).expect("good")), "-:5432");
    assert_eq!(servers(&read_in("postgres://a/db", &[("PGPORT", "9")]).expect("good")), "a:9");
    assert_eq!(servers(&read_in("postgres://a,b/db", &[("PGPORT", "9")]).expect("good")), "a:5432 b:5432");
    refused("postgres://db/app", &[("PGPORT", "s3cret")], &["variable PGPORT is no number"]);
}
