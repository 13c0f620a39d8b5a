//! The keys and fields that rules name.

use tracing_ledger::{Rule, Rules};

use super::{assert_messages, refused};

#[test]
fn names_to_redact_that_name_no_field_or_a_field_that_is_judged_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|redact = "success""#,
            r#"3: "redact" names "success", which the success is read from after redaction: take it out, or read the success from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|redact = ["email", "*"]"#,
            r#"3: "redact" names "*", and with it "success", which the success is read from after redaction: take it out, or read the success from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|success = { field = "status", below = 500 }|redact = ["status"]"#,
            r#"4: "redact" names "status", which the success is read from after redaction: take it out, or read the success from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|reason = { field = "why", as = "because" }|redact = ["because"]"#,
            r#"4: "redact" names "because", which the reason is read from after redaction: take it out, or read the reason from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|result = "result"|redact = ["result"]"#,
            r#"4: "redact" names "result", which the result is read from after redaction: take it out, or read the result from another field"#,
        ),
        (
            r#"[[rule]]|event = "a"|severity = { field = "level" }|redact = ["level"]"#,
            r#"4: "redact" names "level", which the severity is read from after redaction: take it out, or read the severity from another field"#,
        ),
        (
            r#"[[rule]]|span = "a"|rename = { mail = "email" }|redact = ["email"]"#,
            r#"4: "redact" names "email", but "email" is what "rename" makes of "mail": name "mail" too"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { card = { as = "payment" } }|redact = ["payment"]"#,
            r#"4: "redact" names "payment", which is an object of "nest": name its fields, such as "card.*""#,
        ),
        (
            r#"[[rule]]|span = "a"|redact = ["email", "email"]"#,
            r#"3: "redact" names "email" twice: a field is redacted once"#,
        ),
        (
            r#"[[rule]]|span = "a"|[rule.redact]|email = "hash"|phone = "mask""#,
            r#"5: "redact.phone" is "mask": use one of drop, hash, query"#,
        ),
        (r#"[[rule]]|span = "a"|redact = [""]"#, r#"3: empty name in "redact": write a name"#),
        (
            r#"[[rule]]|span = "a"|redact = true"#,
            r#"3: "redact" is a boolean: give a string or a list of strings"#,
        ),
    ]);
}

#[test]
fn keys_written_twice_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|duration = "outcome""#,
            r#"3: "duration" writes the key "outcome", and so does "outcome": use another key for one, or leave it out with outcome = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|outcome = "x"|duration = "x""#,
            r#"3: "outcome" writes the key "x", and so does "duration": use another key for one, or leave it out with duration = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|[rule.rename]|b = "x"|c = "x""#,
            r#"5: "rename" writes the key "x" twice: use another key for one"#,
        ),
        (
            r#"[[rule]]|span = "a"|rename = { err = "error" }"#,
            r#"3: "rename" writes the key "error", and so does "error": use another key for one, or leave it out with error = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { success = true }"#,
            r#"3: "set" writes the key "success", and so does "success": use another key for one, or leave it out with success = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|inherit = ["outcome"]"#,
            r#"3: "inherit" writes the key "outcome", and so does "outcome": use another key for one, or leave it out with outcome = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { s = { as = "x" } }|rename = { b = "x" }"#,
            r#"4: "rename" writes the key "x", and so does "nest": use another key for one"#,
        ),
        (
            r#"[[rule]]|span = "a"|collect = { x = "count a" }|set = { x = 1 }"#,
            r#"4: "set" writes the key "x", and so does "collect": use another key for one"#,
        ),
        (
            r#"[[rule]]|span = "a"|number_within = { a = "x" }|set = { x = 1 }"#,
            r#"4: "set" writes the key "x", and so does "number_within": use another key for one"#,
        ),
    ]);
}

#[test]
fn keys_that_are_columns_are_refused() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|duration = "created_at""#,
            r#"3: "duration" writes the key "created_at", which is a column of the table: use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|[rule.rename]|level = "severity""#,
            r#"4: "rename" writes the key "severity", which is a column of the table: fill that with the setting "severity", or use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { source = "api" }"#,
            r#"3: "set" writes the key "source", which is a column of the table: fill that with the setting "source", or use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|set = { event_type = "api" }"#,
            r#"3: "set" writes the key "event_type", which is a column of the table: fill that with the setting "event_type", or use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|result = "booking_id""#,
            r#"3: "result" writes the key "booking_id", which is a column of the table: use another key"#,
        ),
        (
            r#"[[rule]]|span = "a"|nest = { s = { as = "context" } }"#,
            r#"3: "nest" writes the key "context", which is a column of the table: use another key"#,
        ),
    ]);
}

#[test]
fn no_more_fields_are_inherited_than_the_layer_can_carry() {
    let inheriting = |from: usize, to: usize| {
        Rules::from_rules([Rule::span("a").inherit((from..to).map(|n| format!("field_{n}")))])
    };
    assert!(inheriting(0, 64).is_ok());

    let expected = "rules: the rules inherit 65 fields, at most 64 can be: take some out";
    assert_eq!(refused(inheriting(0, 65)), expected);
    let both = inheriting(0, 40).and_then(|some| some.and(inheriting(39, 65)?));
    assert_eq!(refused(both), expected);
}

#[test]
fn fields_of_events_and_their_times_are_checked() {
    assert_messages(&[
        (
            r#"[[rule]]|span = "a"|take = { fields = "f" }"#,
            r#"3: "take" needs either "event" or "target": name the events by one of them"#,
        ),
        (
            r#"[[rule]]|span = "a"|take = { event = "e", target = "t", fields = "f" }"#,
            r#"3: "take" needs either "event" or "target": name the events by one of them"#,
        ),
        (r#"[[rule]]|span = "a"|take = { event = "e" }"#, r#"3: "take" has no "fields": name those to take"#),
        (
            r#"[[rule]]|span = "a"|take = { event = "e", fields = [] }"#,
            r#"3: "take" has no fields: name those to take"#,
        ),
        (
            r#"[[rule]]|event = "a"|duration = { field = "secs" }"#,
            r#"3: "duration" needs both "field" and "unit": add what is missing"#,
        ),
        (
            r#"[[rule]]|event = "a"|duration = { field = "secs", unit = "sec" }"#,
            r#"3: "duration.unit" is "sec": use one of ns, us, ms, s, m, h"#,
        ),
        (
            r#"[[rule]]|span = "a"|duration = { field = "secs", unit = "s" }"#,
            r#"3: "duration" reads "secs", and the time of a span is measured: write the field by "times""#,
        ),
        (
            r#"[[rule]]|span = "a"|times = { latency = "duration_ms" }"#,
            r#"3: "times" writes the key "duration_ms", and so does "duration": use another key for one, or leave it out with duration = false"#,
        ),
        (
            r#"[[rule]]|span = "a"|severity = { field = "status", map = { "599..500" = "error" } }"#,
            r#"3: "severity" has the range "599..500", which no number is in: put the lower end first"#,
        ),
        (
            r#"[[rule]]|span = "a"|severity = { field = "status", map = { "5xx" = "error", "1..x" = "error" } }"#,
            r#"3: "severity" has the range "1..x", which needs two whole numbers: write it as "500..599" or "5xx""#,
        ),
        (
            r#"[[rule]]|span = "a"|severity = { field = "status", map = { "..599" = "error" } }"#,
            r#"3: "severity" has the range "..599", which needs two whole numbers: write it as "500..599" or "5xx""#,
        ),
    ]);
}
