//! Tests that the table covers every key, admits every default, and judges ranges at their edges.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::Config;

#[test]
fn every_key_has_one_rule_and_every_rule_a_key() {
    let keys: BTreeSet<String> = Config::default().flatten().into_keys().collect();
    let known: BTreeSet<String> = rules().map(|(key, ..)| (*key).to_owned()).collect();
    assert_eq!(keys, known);
    assert_eq!(known.len(), rules().count(), "no key has two rules");
}

#[test]
fn every_default_is_admitted() {
    for (key, value) in Config::default().flatten() {
        assert!(allowed(&key).unwrap().admits(&value), "{key} = {value}");
    }
}

#[test]
fn ranges_hold_at_their_edges() {
    for (rule, inside, outside) in [
        (
            Allowed::Whole(1, 3),
            json!([1, 3]),
            json!([0, 4, -1, 2.0, "2", true, null]),
        ),
        (
            Allowed::Number(0.0, 1.0),
            json!([0, 1, 0.5]),
            json!([-0.1, 1.1, "0.5", null]),
        ),
        (
            Allowed::Between(0.0, 1.0),
            json!([0.1, 0.9]),
            json!([0, 1, null]),
        ),
        (Allowed::Above(0.0, 1.0), json!([1e-9, 1]), json!([0, 1.1])),
        (
            Allowed::Sizes(1, 9),
            json!([[1, 2, 9]]),
            json!([[1, 2], [0, 1, 1], [1, 1, 10], 3]),
        ),
        (
            Allowed::Window,
            json!([[0, 1], [-1.5, 2]]),
            json!([[1, 1], [2, 1], [0], [0, "1"]]),
        ),
        (
            Allowed::Choice(&["a", "b"]),
            json!(["a", "b"]),
            json!(["A", "", 1]),
        ),
        (Allowed::Flag, json!([true, false]), json!([0, 1, "true"])),
        (Allowed::Text, json!(["", "x"]), json!([1, null])),
        (Allowed::Name, json!(["x"]), json!(["", " ", 1])),
    ] {
        for value in inside.as_array().unwrap() {
            assert!(rule.admits(value), "{rule:?} admits {value}");
        }
        for value in outside.as_array().unwrap() {
            assert!(!rule.admits(value), "{rule:?} refuses {value}");
        }
    }
}

#[test]
fn addresses_are_judged_by_their_form() {
    for good in ["127.0.0.1:0", "[::1]:8080", "node-3.cluster:7000"] {
        assert!(Allowed::Address.admits(&json!(good)), "{good}");
    }
    for bad in [
        "",
        "127.0.0.1",
        ":80",
        "::1:80",
        "host:70000",
        "host:http",
        "a b:1",
    ] {
        assert!(!Allowed::Address.admits(&json!(bad)), "{bad}");
    }
}

#[test]
fn a_section_is_a_whole_name_above_a_key() {
    assert!(is_section("model") && is_section("model.encoder"));
    assert!(!is_section("mod") && !is_section("model.patch") && !is_section("nothing"));
}
