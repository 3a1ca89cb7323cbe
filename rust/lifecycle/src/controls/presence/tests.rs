//! The places of an instance, contract sections 5, 7, 8 and 12.8.

use super::super::is_error_reply;
use super::*;

const GRACE: Duration = Duration::from_secs(5);

fn serving() -> Presence {
    let mut presence = Presence::new();
    presence.serving();
    presence
}

fn out(why: Out) -> Presence {
    let mut presence = serving();
    presence.leaves();
    presence.left(Instant::now());
    presence.is_out(why);
    presence
}

fn returns(presence: &mut Presence, why: Out) -> bool {
    let registers = presence.may_return("return", why).unwrap();
    if registers {
        presence.registered();
    }
    presence.back(why);
    registers
}

fn closed(mut presence: Presence) -> Presence {
    presence.close();
    presence
}

#[test]
fn section_7_controls_act_only_while_the_worker_serves() {
    for (mut presence, acts) in [
        (Presence::new(), false),
        (serving(), true),
        (out(Out::Asleep), true),
        (out(Out::Drained), true),
        (closed(Presence::new()), false),
        (closed(serving()), false),
        (closed(out(Out::Asleep)), false),
    ] {
        assert_eq!(presence.admit("flush").is_ok(), acts, "{presence:?}");
        let returns = presence.may_return("wake_up", Out::Asleep);
        assert_eq!(returns.is_ok(), acts, "{presence:?}");
    }
}

#[test]
fn section_7_refusals_are_error_replies_that_name_control_and_reason() {
    let mut asleep = closed(out(Out::Asleep));
    let refusals = [
        (Presence::new().admit("sleep"), "sleep", "does not serve"),
        (closed(serving()).admit("flush"), "flush", "shutting down"),
        (
            asleep.may_return("wake_up", Out::Asleep).map(drop),
            "wake_up",
            "does not return",
        ),
    ];
    for (refusal, control, reason) in refusals {
        let reply = refusal.unwrap_err();
        assert!(is_error_reply(&reply), "{reply}");
        let message = reply["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{control}: ")), "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn section_7_sleep_and_drain_take_the_instance_out_until_it_is_back() {
    for why in [Out::Asleep, Out::Drained] {
        let mut presence = out(why);
        assert!(!presence.is_wanted() && !presence.must_unregister());
        // The engine of a drained worker is awake.
        assert_eq!(presence.pauses_canary(), why == Out::Asleep);
        assert!(returns(&mut presence, why));
        assert_eq!(presence, serving());
    }
}

#[test]
fn section_7_who_sleeps_and_was_drained_returns_when_neither_holds() {
    for (first, second) in [(Out::Asleep, Out::Drained), (Out::Drained, Out::Asleep)] {
        let mut presence = out(Out::Asleep);
        presence.is_out(Out::Drained);
        assert!(!returns(&mut presence, first));
        assert!(!presence.is_wanted() && !presence.must_unregister());
        assert!(returns(&mut presence, second));
        assert_eq!(presence, serving());
    }
}

#[test]
fn section_7_a_registration_that_failed_may_have_been_heard() {
    let mut presence = out(Out::Asleep);
    assert_eq!(presence.may_return("wake_up", Out::Asleep), Ok(true));
    assert!(!presence.is_wanted(), "it did not return");
    assert!(presence.must_unregister());
    assert_eq!(presence.absent_for(), None);
}

#[test]
fn section_7_an_unregistering_that_failed_may_have_been_heard() {
    let mut presence = serving();
    assert_eq!(presence.may_return("wake_up", Out::Asleep), Ok(false));
    presence.leaves();
    assert!(!presence.is_wanted());
    assert_eq!(presence.service(0, GRACE), Service::Draining);
    presence.stays();
    // It failed: the engine stays awake, and waking it must repair what may have happened.
    assert!(presence.is_wanted() && presence.must_unregister());
    assert!(returns(&mut presence, Out::Asleep));
    assert_eq!(presence, serving());
}

#[test]
fn section_12_8_whoever_is_not_wanted_is_told_why() {
    let mut leaving = serving();
    leaving.leaves();
    let reasons = [
        leaving,
        Presence::new(),
        out(Out::Asleep),
        out(Out::Drained),
        closed(serving()),
    ]
    .map(|presence| presence.why_not_wanted().unwrap());
    for (place, reason) in reasons.iter().enumerate() {
        assert!(!reasons[..place].contains(reason), "{reason}");
    }
    assert_eq!(serving().why_not_wanted(), None);
}

#[test]
fn section_8_the_canary_asks_before_and_while_the_worker_is_awake() {
    assert!(!Presence::new().pauses_canary());
    assert!(!serving().pauses_canary());
    assert!(out(Out::Asleep).pauses_canary());
    assert!(closed(serving()).pauses_canary());
}

#[test]
fn section_5_a_shutdown_unregisters_what_may_be_in_discovery() {
    assert!(!closed(Presence::new()).must_unregister());
    let mut dropped_midway = Presence::new();
    dropped_midway.registers();
    assert!(!dropped_midway.is_wanted() && dropped_midway.admit("sleep").is_err());
    assert!(closed(dropped_midway).must_unregister());
    assert!(closed(serving()).must_unregister());
    assert!(!closed(out(Out::Asleep)).must_unregister());
}

#[test]
fn section_5_what_returns_while_shutdown_begins_is_unregistered() {
    let mut presence = out(Out::Asleep);
    presence.may_return("wake_up", Out::Asleep).unwrap();
    presence.close();
    presence.registered();
    presence.back(Out::Asleep);
    assert!(presence.must_unregister() && !presence.is_wanted());
}

#[test]
fn section_5_a_registration_that_ends_after_shutdown_began_is_unregistered() {
    let mut presence = closed(Presence::new());
    presence.serving();
    assert!(presence.must_unregister() && !presence.is_wanted());
    assert!(presence.admit("sleep").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_drained_when_nothing_is_in_flight_and_nobody_can_send_more() {
    assert_eq!(Presence::new().service(0, GRACE), Service::Starting);
    assert_eq!(serving().service(0, GRACE), Service::Serving);
    assert_eq!(closed(serving()).service(0, GRACE), Service::Draining);
    let makes: [fn() -> Presence; 3] = [
        || out(Out::Drained),
        || out(Out::Asleep),
        || closed(out(Out::Drained)),
    ];
    for make in makes {
        let presence = make();
        assert_eq!(presence.service(0, GRACE), Service::Draining);
        tokio::time::advance(GRACE).await;
        assert_eq!(presence.service(1, GRACE), Service::Draining);
        assert_eq!(presence.service(0, GRACE), Service::Drained);
    }
}
