//! The prober in simulated time.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::watch;
use tokio::time::sleep;

use super::*;

const TIMES: Times = Times {
    wait: Duration::from_secs(10),
    timeout: Duration::from_secs(3),
};

/// How the engine takes one probe.
#[derive(Clone, Copy)]
enum Take {
    /// Answers after these seconds.
    Answers(u64),
    Fails,
    /// Answers nothing, and lets go so many seconds after the probe was given up.
    Hangs(u64),
}

/// Answers at once unless the plan says otherwise.
struct Engine {
    vitals: Vitals,
    plan: Mutex<VecDeque<Take>>,
    /// Seconds at which probes came, and how many are inside.
    probes: Mutex<Vec<u64>>,
    inside: Mutex<usize>,
    awake: watch::Sender<bool>,
}

impl Engine {
    fn new(plan: &[Take]) -> Self {
        Self {
            vitals: Vitals::new(),
            plan: Mutex::new(plan.iter().copied().collect()),
            probes: Mutex::default(),
            inside: Mutex::default(),
            awake: watch::Sender::new(true),
        }
    }

    fn probes(&self) -> Vec<u64> {
        self.probes.lock().unwrap().clone()
    }
}

#[async_trait]
impl Probed for Engine {
    async fn awake(&self) {
        let _ = self.awake.subscribe().wait_for(|awake| *awake).await;
    }

    async fn asleep(&self) {
        let _ = self.awake.subscribe().wait_for(|awake| !*awake).await;
    }

    async fn probe(&self, give_up: &CancellationToken) -> Result<(), String> {
        let at = self.vitals.began.elapsed().as_secs();
        self.probes.lock().unwrap().push(at);
        *self.inside.lock().unwrap() += 1;
        assert_eq!(*self.inside.lock().unwrap(), 1, "one probe at a time");
        let take = self.plan.lock().unwrap().pop_front();
        let answer = match take.unwrap_or(Take::Answers(0)) {
            Take::Fails => Err("no".to_owned()),
            Take::Answers(seconds) => {
                tokio::select! {
                    () = sleep(Duration::from_secs(seconds)) => Ok(()),
                    () = give_up.cancelled() => Err("given up".to_owned()),
                }
            }
            Take::Hangs(seconds) => {
                give_up.cancelled().await;
                sleep(Duration::from_secs(seconds)).await;
                Err("given up".to_owned())
            }
        };
        *self.inside.lock().unwrap() -= 1;
        answer
    }
}

/// Plays `story` beside the prober.
async fn play(plan: &[Take], story: impl AsyncFnOnce(&Engine)) {
    let engine = Engine::new(plan);
    tokio::select! {
        () = keep_probing(&engine, &engine.vitals, TIMES) => {}
        () = story(&engine) => {}
    }
}

/// Sleeps until half a second after second `at`, when what happens at it has happened.
async fn after(engine: &Engine, at: u64) {
    sleep_until(engine.vitals.began + Duration::from_millis(at * 1000 + 500)).await;
}

#[tokio::test(start_paused = true)]
async fn section_8_an_idle_engine_is_probed_and_is_well_once_it_answered_to_the_end() {
    play(&[Take::Answers(2)], async |engine| {
        after(engine, 11).await;
        assert!(!engine.vitals.is_well());
        after(engine, 12).await;
        assert!(engine.vitals.is_well());
        after(engine, 40).await;
        assert_eq!(engine.probes(), [10, 22, 32]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn section_8_traffic_that_finishes_holds_the_probe_off() {
    play(&[], async |engine| {
        for at in [5, 14, 23] {
            after(engine, at).await;
            engine.vitals.answered();
            assert!(engine.vitals.is_well());
        }
        after(engine, 32).await;
        assert!(engine.probes().is_empty());
        after(engine, 34).await;
        assert_eq!(engine.probes(), [33]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn section_8_a_probe_that_hangs_is_the_only_one_until_the_engine_lets_go() {
    play(&[Take::Answers(0), Take::Hangs(95)], async |engine| {
        after(engine, 22).await;
        assert!(engine.vitals.is_well());
        after(engine, 23).await;
        assert!(!engine.vitals.is_well());
        // It lets go at 118; one was due at 113, and is at 123.
        after(engine, 122).await;
        assert_eq!(engine.probes(), [10, 20]);
        assert!(!engine.vitals.is_well());
        after(engine, 124).await;
        assert!(engine.vitals.is_well());
        assert_eq!(engine.probes(), [10, 20, 123]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn section_8_traffic_makes_an_engine_well_for_as_long_as_a_probe_is_not_due() {
    play(&[Take::Hangs(1000)], async |engine| {
        after(engine, 13).await;
        assert!(!engine.vitals.is_well());
        engine.vitals.answered();
        after(engine, 22).await;
        assert!(engine.vitals.is_well());
        // The next probe is due, and the one before still hangs.
        after(engine, 24).await;
        assert!(!engine.vitals.is_well());
        assert_eq!(engine.probes(), [10]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn section_8_traffic_that_finishes_beside_a_slow_probe_says_more_than_its_timeout() {
    play(&[Take::Hangs(0)], async |engine| {
        after(engine, 11).await;
        engine.vitals.answered();
        after(engine, 14).await;
        assert!(engine.vitals.is_well());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn section_8_a_probe_that_fails_is_tried_again() {
    play(&[Take::Fails, Take::Fails], async |engine| {
        after(engine, 25).await;
        assert!(!engine.vitals.is_well());
        after(engine, 31).await;
        assert!(engine.vitals.is_well());
        assert_eq!(engine.probes(), [10, 20, 30]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn section_8_an_engine_that_fails_at_once_gets_its_breath() {
    let engine = Engine::new(&[Take::Fails; 100]);
    let times = Times {
        wait: Duration::ZERO,
        ..TIMES
    };
    let probing = keep_probing(&engine, &engine.vitals, times);
    assert!(
        timeout(Duration::from_millis(5_500), probing)
            .await
            .is_err()
    );
    assert_eq!(engine.probes(), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn section_8_an_engine_that_sleeps_is_left_alone() {
    play(&[Take::Answers(0), Take::Hangs(0)], async |engine| {
        after(engine, 21).await;
        // The probe under way is given up, which says nothing of the engine.
        engine.awake.send_replace(false);
        after(engine, 300).await;
        assert!(engine.vitals.is_well());
        assert_eq!(engine.probes(), [10, 20]);
        assert_eq!(*engine.inside.lock().unwrap(), 0);
        engine.awake.send_replace(true);
        after(engine, 301).await;
        assert_eq!(engine.probes(), [10, 20, 300]);
    })
    .await;
}
