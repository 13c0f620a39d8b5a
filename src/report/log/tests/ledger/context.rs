//! The columns and the context of a row.

use tracing::{Span, info, info_span, instrument};

use super::*;

#[test]
fn texts_that_look_like_numbers_keep_their_form() {
    let work = || {
        info_span!(target: "shop", "pay", version = %"1.10", code = %"007", whole = 3.0, id = %u128::MAX, success = true)
            .in_scope(|| {});
    };
    assert_same("[[rule]]\nspan = 'pay'", &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn an_error_has_a_reason_code_whether_or_not_the_rule_has_an_exception() {
    #[instrument(target = "shop", err, fields(reason))]
    fn pay(own: &str) -> Result<u32, String> {
        if !own.is_empty() {
            Span::current().record("reason", own);
        }
        Err("hold conflict".to_owned())
    }
    for exception in ["", "exception = 'pay.exception'"] {
        let rules = format!(
            "[[rule]]\nspan = 'pay'\nreason = 'reason'\nreason_code = 'code'\nreason_category = 'category'\n{exception}"
        );
        assert_same(&rules, &TEXT_AND_JSON, LevelFilter::INFO, || _ = (pay(""), pay("no tables")));
    }
}

#[test]
fn a_field_of_a_span_that_is_its_message_is_no_part_of_its_name() {
    let work = || {
        info_span!(target: "shop", "publish", message = "hello", success = true).in_scope(|| {});
        info_span!(target: "shop", "publish", message = "hello")
            .in_scope(|| info_span!(target: "shop", "GET /a/{id}.{format}").in_scope(|| {}));
        info_span!(target: "shop", "GET /a/{id}", message = "hello").in_scope(|| {});
    };
    let rules = "[[rule]]\nspan = '*'\nsuccess = false\ntarget = 'shop'";
    let names = |rows: Vec<RowText>| rows.into_iter().map(|row| row.0).collect::<Vec<_>>();
    for form in TEXT_AND_JSON {
        let (ledger, log, _) = both(rules, form, LevelFilter::INFO, work);
        assert_eq!(names(log), names(ledger), "{form}");
    }
}

#[test]
fn columns_and_keys_are_those_of_the_rule() {
    let work = || {
        for (shop, level, took) in [("a", "critical", "12 ms"), ("", "404", "3 s"), ("b", "x", "soon")] {
            let span = info_span!(
                target: "shop", "pay", shop, level, took = %took, uri = "/a?b=1", card = 4242, user = "ada",
                outcome = "won", error = "none", opt.rows = 3, opt.other = 4, success = level != "x"
            );
            span.in_scope(|| info!(target: "shop", "paying"));
        }
        info_span!(target: "shop", "pay").in_scope(|| {});
        info_span!(target: "shop", "constant", success = false).in_scope(|| {});
        info_span!(target: "shop", "by_outcome", success = false).in_scope(|| {});
        info_span!(target: "shop", "plain", ledger.event = "false", success = false).in_scope(|| {});
    };
    let rules = "
        [[rule]]
        span = 'pay'
        event_type = 'shop.pay'
        source = { field = 'shop' }
        severity = { field = 'level', map = { '4xx' = 'error' } }
        times = { took = 'took_ms' }
        redact = { uri = 'query', card = 'drop', user = 'hash' }
        nest = { opt = { as = 'options', keys = { rows = 'maxRows', gone = 'gone' } } }
        set = { version = 1, level = 'none' }
        or_null = ['tip']
        silent = 'ok'
        [[rule]]
        span = 'constant'
        severity = 'critical'
        [[rule]]
        span = 'by_outcome'
        severity = 'outcome'
        [[rule]]
        span = 'plain'";
    assert_same(rules, &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn the_text_of_an_error_is_redacted() {
    #[instrument(target = "shop", err)]
    fn pay() -> Result<u32, String> {
        Err("timeout at https://ada:x@shop.example/a?b=1".to_owned())
    }
    for redact in ["drop", "hash", "query"] {
        let rules =
            format!("[[rule]]\nspan = 'pay'\nreason_code = 'code'\nredact = {{ error = '{redact}' }}");
        assert_same(&rules, &TEXT_AND_JSON, LevelFilter::INFO, || _ = pay());
    }
}

#[test]
fn an_event_with_a_field_of_a_column_is_no_row() {
    let work = || {
        info_span!(target: "shop", "pay", success = true)
            .in_scope(|| info!(target: "shop", event_type = "cart.paid", "paid"));
    };
    assert_same("[[rule]]\nspan = 'pay'", &["full", "json", "flat json"], LevelFilter::INFO, work);
}
