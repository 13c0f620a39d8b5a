//! TOML and Rust are two forms of one language.

use std::time::Duration;

use tracing_ledger::{Error, Redact, Rule, Rules, Severity, Silent};

const MANUAL: &str = concat!(
    include_str!("../../docs/rules.md"),
    include_str!("../../docs/outcomes.md"),
    include_str!("../../docs/redaction.md"),
);

#[test]
fn every_key_means_the_same_in_both_forms() -> Result<(), Error> {
    let toml: Rules = r#"
        [[rule]]
        span = ["request", "http.*"]
        target = "tower_http::trace"
        level = "debug"
        fields = ["method", "uri"]
        event_type = "http.request"
        source = "api"
        severity = { field = "level", map = { fatal = "critical", odd = "info" } }
        duration = "took_ms"
        success = { field = "status", as = "ok", below = 500 }
        reason = { field = "why", as = "because" }
        reason_code = "code"
        reason_category = "category"
        exception = "request.exception"
        outcome = false
        error = "problem"
        result = "verdict"
        inherit = ["tenant"]
        inherit_from = ["session.*"]
        number_within = { batch = "index" }
        or_null = ["tenant", "index"]
        redact = { email = "hash", "card.*" = "drop" }
        silent = "cancelled"

        [rule.rename]
        "http.status" = "status_code"
        agent = "user_agent"

        [rule.set]
        version = 2
        region = "eu"
        tags = ["a", 1.5, true]
        limits = { max = 9223372036854775808 }

        [rule.nest.opt]
        as = "options"
        keys = { max_tables = "maxTables", adjacent = "adjacent" }

        [[rule]]
        span = "batch"
        collect = { requests = "count http.request", ms = "total http.request" }
    "#
    .parse()?;

    let request = Rule::span("request")
        .also("http.*")
        .target("tower_http::trace")
        .level(tracing::Level::DEBUG)
        .fields(["method", "uri"])
        .event_type("http.request")
        .source("api")
        .severity_field("level", [("fatal", Severity::Critical), ("odd", Severity::Info)])
        .duration("took_ms")
        .success("ok")
        .success_below("status", 500.0)
        .reason("because")
        .reason_field("why")
        .reason_code("code")
        .reason_category("category")
        .exception("request.exception")
        .outcome(None)
        .error("problem")
        .result("verdict")
        .inherit(["tenant"])
        .inherit_from(["session.*"])
        .number_within("batch", "index")
        .or_null(["tenant", "index"])
        .redact("email", Redact::Hash)
        .redact("card.*", Redact::Drop)
        .silent(Silent::Cancelled)
        .rename("http.status", "status_code")
        .rename("agent", "user_agent")
        .set("version", 2)
        .set("region", "eu")
        .set("tags", serde_json::json!(["a", 1.5, true]))
        .set("limits", serde_json::json!({ "max": 1_u64 << 63 }))
        .nest("opt", "options", [("max_tables", "maxTables"), ("adjacent", "adjacent")]);
    let batch =
        Rule::span("batch").collect_count("requests", "http.request").collect_total("ms", "http.request");
    assert_eq!(toml, Rules::from_rules([request, batch])?);
    Ok(())
}

#[test]
fn every_key_about_events_means_the_same_in_both_forms() -> Result<(), Error> {
    let toml: Rules = r#"
        [[rule]]
        event = "*"
        fields = ["kind"]
        event_type = { field = "kind" }
        source = { field = "part" }
        duration = { field = "elapsed_secs", unit = "s", as = "took_ms" }
        times = { wait = "wait_ms" }

        [[rule]]
        span = "call"
        severity = "outcome"
        redact = { uri = "query" }
        take = [
            { target = "web::response", fields = ["status", "latency"] },
            { event = "body.*", fields = "bytes" },
        ]
    "#
    .parse()?;
    let named = Rule::event("*").fields(["kind"]).event_type_field("kind").source_field("part");
    let named = named
        .duration("took_ms")
        .duration_field("elapsed_secs", Duration::from_secs(1))
        .time("wait", "wait_ms");
    let call = Rule::span("call")
        .severity_by_outcome()
        .redact("uri", Redact::Query)
        .take("web::response", ["status", "latency"])
        .take_event("body.*", ["bytes"]);
    assert_eq!(toml, Rules::from_rules([named, call])?);
    Ok(())
}

#[test]
fn every_condition_means_the_same_in_both_forms() -> Result<(), Error> {
    let rule = || Rule::span("a");
    for (success, typed) in [
        (r#""went_well""#, rule().success("went_well")),
        ("false", rule().success(None)),
        (r#"{ field = "done" }"#, rule().success_field("done")),
        (r#"{ as = "done" }"#, rule().success("done")),
        (r#"{ field = "n", below = 5 }"#, rule().success_below("n", 5.0)),
        (r#"{ field = "n", at_most = 5.5 }"#, rule().success_at_most("n", 5.5)),
        (r#"{ field = "n", above = -1 }"#, rule().success_above("n", -1.0)),
        (r#"{ field = "n", at_least = 0x10 }"#, rule().success_at_least("n", 16.0)),
        (r#"{ field = "n", equals = "yes" }"#, rule().success_equals("n", "yes")),
        (r#"{ field = "n", equals = 200 }"#, rule().success_equals("n", 200)),
        (r#"{ field = "n", equals = true }"#, rule().success_equals("n", true)),
        ("{ return_matches = 'hold: Some' }", rule().return_matches("hold: Some")),
    ] {
        let toml: Rules = format!("[[rule]]\nspan = 'a'\nsuccess = {success}").parse()?;
        assert_eq!(toml, Rules::from_rules([typed])?, "{success}");
    }
    Ok(())
}

#[test]
fn a_list_of_names_to_redact_drops_them() -> Result<(), Error> {
    for (redact, typed) in [
        (
            r#"["email", "phone"]"#,
            Rule::span("a").redact("email", Redact::Drop).redact("phone", Redact::Drop),
        ),
        (r#""email""#, Rule::span("a").redact("email", Redact::Drop)),
    ] {
        let toml: Rules = format!("[[rule]]\nspan = 'a'\nredact = {redact}").parse()?;
        assert_eq!(toml, Rules::from_rules([typed])?, "{redact}");
    }
    Ok(())
}

/// A field that nothing is judged by may be redacted, even where its name means something to other rules.
#[test]
fn a_field_that_a_rule_does_not_read_may_be_redacted() -> Result<(), Error> {
    let unread = Rule::span("a").success(None).redact("success", Redact::Drop).redact("reason", Redact::Hash);
    let renamed = Rule::span("b").rename("mail", "email").redact("*mail", Redact::Drop);
    let inherited = Rule::span("c").inherit(["email"]).redact("email", Redact::Hash);
    let returned = Rule::span("d").return_matches("Some").redact("success", Redact::Drop);
    let failed = Rule::span("e").error("problem").redact("problem", Redact::Drop);
    let event = Rule::event("f").redact("error", Redact::Drop).redact("result", Redact::Drop);
    // A span may have such a field too: it is in the row as `field.duration_ms`.
    let measured = Rule::span("g").redact("duration_ms", Redact::Drop);
    Rules::from_rules([unread, renamed, inherited, returned, failed, event, measured]).map(drop)
}

#[test]
fn an_event_needs_no_more_than_its_name() -> Result<(), Error> {
    let toml: Rules = "[[rule]]\nevent = 'cache.*'\nseverity = 'error'".parse()?;
    let typed = Rule::event("cache.*").severity(Severity::Error);
    assert_eq!(toml, Rules::from_rules([typed])?);
    Ok(())
}

#[test]
fn a_file_can_go_before_the_built_in_rules_and_mention_them() -> Result<(), Error> {
    let toml: Rules = r#"
        builtin = true
        [[rule]]
        span = "day"
        collect = { quotes = "count auto_assign.quote" }
    "#
    .parse()?;
    let day = Rule::span("day").collect_count("quotes", "auto_assign.quote");
    assert_eq!(toml, Rules::builtin().preceded_by([day])?);
    Ok(())
}

#[test]
fn a_file_with_its_own_reason_codes_gives_them_to_the_built_in_rules_too() -> Result<(), Error> {
    let toml: Rules = r#"
        builtin = true
        [[reason_codes]]
        category = "full"
        codes = ["sold_out", "closed"]
        [[reason_codes]]
        category = "busy"
        codes = "timeout"
    "#
    .parse()?;
    let codes = [("full", vec!["sold_out", "closed"]), ("busy", vec!["timeout"])];
    assert_eq!(toml, Rules::builtin().reason_codes(codes)?);
    assert_ne!(toml, Rules::builtin());
    Ok(())
}

#[test]
fn two_sets_make_one_in_their_order() -> Result<(), Error> {
    let (a, b) = (|| Rule::span("a"), || Rule::span("b"));
    let both = Rules::from_rules([a()])?.and(Rules::from_rules([b()])?)?;
    assert_eq!(both, Rules::from_rules([a(), b()])?);
    assert_ne!(both, Rules::from_rules([b(), a()])?);
    assert_eq!(Rules::new().and(Rules::builtin())?, Rules::builtin());
    Ok(())
}

/// A field may be renamed to a key that is inherited, numbered or constant: the field wins.
#[test]
fn a_key_may_have_a_field_and_a_stand_in() -> Result<(), Error> {
    let rule = Rule::span("a")
        .rename("f", "flow")
        .inherit(["flow", "success", "id"])
        .set("flow", "job")
        .rename("nth", "attempt_index")
        .number_within("a", "attempt_index")
        .rename("booking", "booking_id")
        .success_below("status", 500.0)
        .rename("status", "status_code");
    Rules::from_rules([rule]).map(drop)
}

#[test]
fn every_example_in_the_documentation_is_sound() {
    let examples: Vec<_> =
        MANUAL.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        if let Err(error) = example.parse::<Rules>() {
            panic!("{error}\n{example}");
        }
    }
}

#[test]
fn every_key_is_in_the_documentation() {
    // The message about a key that resembles no other lists all keys.
    let Err(error) = "[[rule]]\nspan = 'a'\nzzz = 1".parse::<Rules>() else {
        panic!("an unknown key was accepted");
    };
    let message = error.to_string();
    let keys = message.rsplit("use one of ").next().unwrap_or_default();
    for key in keys.split(", ") {
        assert!(MANUAL.contains(&format!("\n| `{key}` |")), "{key}");
    }
}
