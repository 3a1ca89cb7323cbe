use serde_json::json;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn message(unresolved: Unresolved) -> (bool, String) {
    match unresolved {
        Unresolved::Unknown(message) => (false, message),
        Unresolved::Ambiguous(message) => (true, message),
    }
}

#[test]
fn section_7_both_forms_of_a_route_reach_the_only_worker() {
    let controls = names(&["sleep", "update/lora"]);
    let offered = [("d.b.generate", &controls[..])];
    for path in [
        "sleep",
        "control/sleep",
        "d.b.generate/sleep",
        "control/d.b.generate/sleep",
    ] {
        assert_eq!(choose(&offered, path).unwrap(), (0, "sleep"), "{path}");
    }
    for path in [
        "update/lora",
        "control/update/lora",
        "d.b.generate/update/lora",
    ] {
        assert_eq!(
            choose(&offered, path).unwrap(),
            (0, "update/lora"),
            "{path}"
        );
    }
}

#[test]
fn of_several_workers_the_full_path_chooses() {
    let (first, second) = (names(&["flush", "sleep"]), names(&["sleep"]));
    let offered = [("d.a.generate", &first[..]), ("d.b.generate", &second[..])];
    assert_eq!(choose(&offered, "flush").unwrap(), (0, "flush"));
    assert_eq!(
        choose(&offered, "d.b.generate/sleep").unwrap(),
        (1, "sleep")
    );
    assert_eq!(
        choose(&offered, "control/d.a.generate/sleep").unwrap(),
        (0, "sleep")
    );

    let (is_ambiguous, text) = message(choose(&offered, "sleep").unwrap_err());
    assert!(is_ambiguous);
    for path in ["/engine/d.a.generate/sleep", "/engine/d.b.generate/sleep"] {
        assert!(text.contains(path), "{text}");
    }
    let (is_ambiguous, text) = message(choose(&offered, "d.b.generate/flush").unwrap_err());
    assert!(!is_ambiguous);
    assert!(
        text.contains("d.a.generate/flush, d.a.generate/sleep, d.b.generate/sleep"),
        "{text}"
    );
}

#[test]
fn workers_of_one_name_are_told_apart_by_nothing() {
    let controls = names(&["sleep"]);
    let offered = [
        ("d.b.generate", &controls[..]),
        ("d.b.generate", &controls[..]),
    ];
    for path in ["sleep", "d.b.generate/sleep"] {
        let (is_ambiguous, text) = message(choose(&offered, path).unwrap_err());
        assert!(
            is_ambiguous && text.contains("an endpoint of its own"),
            "{text}"
        );
    }
}

#[test]
fn an_unknown_control_is_answered_with_the_supported_ones() {
    let controls = names(&["sleep", "wake_up"]);
    let (_, text) = message(choose(&[("d.b.generate", &controls[..])], "slep").unwrap_err());
    assert!(text.ends_with("supported: sleep, wake_up"), "{text}");
    let (_, text) = message(choose(&[("d.b.generate", &[][..])], "sleep").unwrap_err());
    assert!(text.contains("no engine here supports any"), "{text}");
}

#[test]
fn section_7_an_empty_body_is_an_empty_object() {
    assert_eq!(parse(b"").unwrap(), json!({}));
    assert_eq!(parse(b" \n").unwrap(), json!({}));
    assert_eq!(parse(b"[1]").unwrap(), json!([1]));
    assert!(parse(b"{level: 1}").unwrap_err().contains("no JSON"));
}

#[test]
fn a_control_by_a_name_of_the_workers_own_is_told_by_the_path_that_reaches_it() {
    let controls = names(&["drain"]);
    let offered = [
        ("d.a.generate", &controls[..]),
        ("d.b.generate", &controls[..]),
    ];
    let (_, text) = message(choose(&offered, "control/drain").unwrap_err());
    let path = "control/d.b.generate/drain";
    assert!(text.ends_with(&format!("/engine/{path}")), "{text}");
    assert_eq!(choose(&offered, path).unwrap(), (1, "drain"));
    let (_, text) = message(choose(&offered[..1], "sleep").unwrap_err());
    assert!(text.ends_with("supported: control/drain"), "{text}");
}
