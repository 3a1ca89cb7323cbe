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
        assert_eq!(
            choose(Kind::Control, &offered, path).unwrap(),
            (0, "sleep"),
            "{path}"
        );
    }
    for path in [
        "update/lora",
        "control/update/lora",
        "d.b.generate/update/lora",
    ] {
        assert_eq!(
            choose(Kind::Control, &offered, path).unwrap(),
            (0, "update/lora"),
            "{path}"
        );
    }
}

#[test]
fn of_several_workers_the_full_path_chooses() {
    let (first, second) = (names(&["flush", "sleep"]), names(&["sleep"]));
    let offered = [("d.a.generate", &first[..]), ("d.b.generate", &second[..])];
    assert_eq!(
        choose(Kind::Control, &offered, "flush").unwrap(),
        (0, "flush")
    );
    assert_eq!(
        choose(Kind::Control, &offered, "d.b.generate/sleep").unwrap(),
        (1, "sleep")
    );
    assert_eq!(
        choose(Kind::Control, &offered, "control/d.a.generate/sleep").unwrap(),
        (0, "sleep")
    );

    let (is_ambiguous, text) = message(choose(Kind::Control, &offered, "sleep").unwrap_err());
    assert!(is_ambiguous);
    for path in ["/engine/d.a.generate/sleep", "/engine/d.b.generate/sleep"] {
        assert!(text.contains(path), "{text}");
    }
    let (is_ambiguous, text) =
        message(choose(Kind::Control, &offered, "d.b.generate/flush").unwrap_err());
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
        let (is_ambiguous, text) = message(choose(Kind::Control, &offered, path).unwrap_err());
        assert!(
            is_ambiguous && text.contains("an endpoint of its own"),
            "{text}"
        );
    }
}

#[test]
fn an_unknown_control_is_answered_with_the_supported_ones() {
    let controls = names(&["sleep", "wake_up"]);
    let (_, text) =
        message(choose(Kind::Control, &[("d.b.generate", &controls[..])], "slep").unwrap_err());
    assert!(text.ends_with("supported: sleep, wake_up"), "{text}");
    let (_, text) =
        message(choose(Kind::Control, &[("d.b.generate", &[][..])], "sleep").unwrap_err());
    assert!(text.contains("no engine here supports any"), "{text}");
}

#[test]
fn a_control_by_a_name_of_the_workers_own_is_told_by_the_path_that_reaches_it() {
    let controls = names(&["drain"]);
    let offered = [
        ("d.a.generate", &controls[..]),
        ("d.b.generate", &controls[..]),
    ];
    let (_, text) = message(choose(Kind::Control, &offered, "control/drain").unwrap_err());
    let path = "control/d.b.generate/drain";
    assert!(text.ends_with(&format!("/engine/{path}")), "{text}");
    assert_eq!(choose(Kind::Control, &offered, path).unwrap(), (1, "drain"));
    let (_, text) = message(choose(Kind::Control, &offered[..1], "sleep").unwrap_err());
    assert!(text.ends_with("supported: control/drain"), "{text}");
}

#[test]
fn an_update_is_told_by_its_own_path() {
    let updates = names(&["load_lora", "model_taints"]);
    let one = [("d.a.generate", &updates[..])];
    let chosen = |path| choose(Kind::Update, &one, path).unwrap();
    assert_eq!(chosen("load_lora"), (0, "load_lora"));
    assert_eq!(chosen("d.a.generate/load_lora"), (0, "load_lora"));
    let (_, text) = message(choose(Kind::Update, &one, "load").unwrap_err());
    assert!(text.starts_with("no engine update 'load'"), "{text}");
    assert!(
        text.ends_with("supported: update/load_lora, update/model_taints"),
        "{text}"
    );
    let two = [one[0], ("d.b.generate", &updates[..])];
    let (is_ambiguous, text) = message(choose(Kind::Update, &two, "model_taints").unwrap_err());
    assert!(is_ambiguous, "{text}");
    assert!(
        text.contains("/engine/update/d.b.generate/model_taints"),
        "{text}"
    );
}
