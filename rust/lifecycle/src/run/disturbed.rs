//! Runs that are disturbed at every point and before every poll, contract sections 2 to 5 and 12.
//!
//! A disturbance is shutdown asked for, once or again and again, discovery lost, or both, or an
//! engine that fails. Every
//! engine of [`engines`] meets every one of them at every place that its run has, and [`rules`]
//! says what must hold of each.

mod engines;
mod rules;

use std::collections::BTreeMap;

use crate::testing::{Plan, Ran, play};

/// What is done to a run at one place of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    AskedAtPoint,
    AskedBeforePoll,
    LostAtPoint,
    LostBeforePoll,
    LostAndAskedAtPoint,
    EngineFailedAtPoint,
    EngineFailedBeforePoll,
}

impl Disturbance {
    const ALL: [Self; 7] = [
        Self::AskedAtPoint,
        Self::AskedBeforePoll,
        Self::LostAtPoint,
        Self::LostBeforePoll,
        Self::LostAndAskedAtPoint,
        Self::EngineFailedAtPoint,
        Self::EngineFailedBeforePoll,
    ];

    fn at(self, place: usize, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        let place = Some(place);
        match self {
            Self::AskedAtPoint => plan.ask_at_point = place,
            Self::AskedBeforePoll => plan.ask_at_poll = place,
            Self::LostAtPoint => plan.lose_at_point = place,
            Self::LostBeforePoll => plan.lose_at_poll = place,
            Self::LostAndAskedAtPoint => {
                plan.lose_at_point = place;
                plan.ask_at_point = place;
            }
            Self::EngineFailedAtPoint => plan.fail_at_point = place,
            Self::EngineFailedBeforePoll => plan.fail_at_poll = place,
        }
        plan
    }

    /// How many places the run had.
    fn places(self, ran: &Ran) -> usize {
        match self {
            Self::AskedBeforePoll | Self::LostBeforePoll | Self::EngineFailedBeforePoll => {
                ran.polls
            }
            _ => ran.points.len(),
        }
    }
}

#[test]
fn sections_2_to_5_hold_wherever_a_run_is_disturbed() {
    let mut places: BTreeMap<Disturbance, usize> = BTreeMap::new();
    let mut killed = 0;
    for (engine, plan) in engines::all() {
        for disturbance in Disturbance::ALL {
            let mut place = 0;
            loop {
                let plan = disturbance.at(place, &plan);
                let ran = play(&plan);
                if place >= disturbance.places(&ran) {
                    break;
                }
                let holds = rules::check(&plan, &ran).and_then(|()| again(&plan, &ran));
                if let Err(broken) = holds {
                    panic!(
                        "an engine that {engine}, {disturbance:?} {place} of {:?}: {broken}\n\
                         replay with play(&{plan:?})\n{ran:#?}",
                        ran.points
                    );
                }
                killed += usize::from(ran.outcome.is_none());
                place += 1;
            }
            assert!(place > 0, "an engine that {engine} was hardly disturbed");
            *places.entry(disturbance).or_default() += place;
        }
    }
    let sum: usize = places.values().sum();
    println!("{sum} points simulated ({killed} ended by the deadline): {places:?}");
    // Asking alone has so many; each is another place of another run.
    let asked = places[&Disturbance::AskedAtPoint] + places[&Disturbance::AskedBeforePoll];
    assert!(asked >= 500, "{places:?}");
    assert!(
        killed >= 50,
        "hooks that hang met the deadline {killed} times"
    );
}

/// Asking again at every later point must change nothing.
fn again(plan: &Plan, once: &Ran) -> Result<(), String> {
    let twice = play(&Plan {
        ask_again: true,
        ..plan.clone()
    });
    let same = once.events == twice.events && once.outcome == twice.outcome;
    if same {
        Ok(())
    } else {
        Err(format!("asked again, it ran differently: {twice:#?}"))
    }
}
