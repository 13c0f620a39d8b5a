//! A subscriber that hides the spans or that nobody installs.

use super::{assert_has, only_word, said_by, words_by};

#[test]
fn a_global_filter_hides_the_spans() {
    for what in ["a global filter outside", "a global filter inside"] {
        let said =
            words_by(what, &[]).into_iter().filter(|line| line.contains("global filter")).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "{what}: {said:#?}");
        assert_has(
            &said[0],
            &["hides \"work\" (tests/messages/silent_setups.rs:", "rule 1 (span = \"work\")", "with_filter"],
        );
    }
}

#[test]
fn a_global_level_hides_the_spans() {
    let said = words_by("a global level", &[]).concat();
    assert_has(&said, &["the filters of the program let nothing more verbose than error through"]);
}

#[test]
fn a_layer_that_nobody_adds_is_named() {
    assert_has(
        &only_word("a layer that nobody adds"),
        &["the layer was not added to a subscriber", ".with(ledger)"],
    );
}

#[test]
fn a_subscriber_that_nobody_installs_is_named() {
    let said = only_word("a subscriber that nobody installs");
    assert_has(&said, &["the subscriber with the layer has not been installed", "call init()"]);
}

/// The filter is innocent.
#[test]
fn a_subscriber_that_nobody_installs_is_named_before_the_end() {
    let said = said_by("a subscriber that nobody installs, with a filter", &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_has(&said[0], &["the subscriber with the layer has not been installed", "call init()"]);
    let said = said_by("a subscriber that comes second", &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_has(&said[0], &["the subscriber with the layer got no span", "install it with init()"]);
}
