//! Metrics that an engine makes as text, outside of Rust: a scrape asks for them, and waits a moment
//! at most.

use std::sync::Arc;
use std::time::Duration;

use dynamo_runtime::MetricsRegistry;
use dynamo_runtime::metrics::prometheus_names::build_component_metric_name;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long a scrape waits for what it asked for; after that the last text is shown.
const PATIENCE: Duration = Duration::from_millis(500);

/// From this age on a text is asked for by whoever shows it, too: the one-process frontend's port
/// shows it without waiting for a new one.
const OLD: Duration = Duration::from_secs(1);

const AGE: &str = "worker_engine_metrics_age_seconds";
const AGE_HELP: &str = "Seconds since the engine's own metrics were read, the oldest of them";

/// Has somebody make a new text, without waiting for it.
type Ask = Box<dyn Fn() + Send + Sync>;

/// The texts of one worker's engine.
#[derive(Clone)]
pub struct EngineTexts {
    shared: Arc<Shared>,
}

struct Shared {
    texts: Mutex<Vec<EngineText>>,
    /// Of the worker's gauges, as an exposition writes them.
    labels: String,
}

impl std::fmt::Debug for EngineTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineTexts").finish_non_exhaustive()
    }
}

impl EngineTexts {
    /// Shows what is added in what `registry` shows, with its age, which has `labels`.
    pub(crate) fn attach(registry: &MetricsRegistry, labels: &[(String, String)]) -> Self {
        let pairs: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let texts = Self {
            shared: Arc::new(Shared {
                texts: Mutex::default(),
                labels: pairs.join(","),
            }),
        };
        let shown = texts.clone();
        registry.add_expfmt_callback(Arc::new(move || Ok(shown.show())));
        texts
    }

    /// Adds a text, and asks for it at once. `ask` may be called from any thread, and must not wait.
    pub fn add(&self, ask: impl Fn() + Send + Sync + 'static) -> EngineText {
        let text = EngineText {
            source: Arc::new(Source {
                state: Mutex::new(State {
                    text: String::new(),
                    made: Instant::now(),
                    asked: None,
                    ask: Some(Box::new(ask)),
                }),
                answered: Notify::new(),
            }),
        };
        text.ask();
        self.shared.texts.lock().push(text.clone());
        text
    }

    /// Asks for all texts and waits for them, for a moment at most: who holds the GIL, or hangs, is
    /// waited for once and not at every scrape.
    pub(crate) async fn refresh(&self) {
        let texts = self.shared.texts.lock().clone();
        let asked: Vec<_> = texts
            .into_iter()
            .filter_map(|text| Some((text.ask()?, text)))
            .collect();
        for (since, text) in asked {
            text.answered(since + PATIENCE).await;
        }
    }

    fn show(&self) -> String {
        let texts = self.shared.texts.lock().clone();
        let Some(oldest) = texts.iter().map(|text| text.source.state.lock().made).min() else {
            return String::new();
        };
        let (name, labels) = (build_component_metric_name(AGE), &self.shared.labels);
        let age = oldest.elapsed().as_secs_f64();
        let mut shown =
            format!("# HELP {name} {AGE_HELP}\n# TYPE {name} gauge\n{name}{{{labels}}} {age}\n");
        for text in texts {
            text.ask_if_old();
            shown.push_str(&text.source.state.lock().text);
            if !shown.ends_with('\n') {
                shown.push('\n');
            }
        }
        shown
    }
}

/// One text, as whoever makes it sees it.
#[derive(Clone)]
pub struct EngineText {
    source: Arc<Source>,
}

struct Source {
    state: Mutex<State>,
    answered: Notify,
}

struct State {
    text: String,
    made: Instant,
    /// Since when it is being made anew.
    asked: Option<Instant>,
    /// Until it is closed.
    ask: Option<Ask>,
}

impl EngineText {
    /// Shows `text` from now on.
    pub fn show(&self, text: String) {
        self.answer(|state| {
            state.text = text;
            state.made = Instant::now();
        });
    }

    /// It cannot be made this time: the last one stays, and its age grows.
    pub fn failed(&self) {
        self.answer(|_| ());
    }

    /// Nobody makes it any more: the last one stays, and nobody waits.
    pub fn close(&self) {
        let mut ask = None;
        self.answer(|state| ask = state.ask.take());
        // Whoever waits to be asked is to see it.
        if let Some(ask) = ask {
            ask();
        }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.source.state.lock().ask.is_none()
    }

    /// Asks for it, unless that was done already; answers since when it is asked for.
    fn ask(&self) -> Option<Instant> {
        let mut state = self.source.state.lock();
        let ask = state.ask.as_ref()?;
        if state.asked.is_none() {
            ask();
            state.asked = Some(Instant::now());
        }
        state.asked
    }

    fn ask_if_old(&self) {
        let made = self.source.state.lock().made;
        if made.elapsed() > OLD {
            self.ask();
        }
    }

    fn answer(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.source.state.lock();
        change(&mut state);
        state.asked = None;
        self.source.answered.notify_waiters();
    }

    async fn answered(&self, deadline: Instant) {
        loop {
            // Listening first: an answer after the look is heard.
            let answered = self.source.answered.notified();
            if self.source.state.lock().asked.is_none() {
                return;
            }
            if timeout_at(deadline, answered).await.is_err() {
                return;
            }
        }
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn texts() -> (MetricsRegistry, EngineTexts) {
        let registry = MetricsRegistry::new();
        let labels = [("model".to_owned(), "a \"b\"\\\nc".to_owned())];
        let texts = EngineTexts::attach(&registry, &labels);
        (registry, texts)
    }

    fn shown(registry: &MetricsRegistry) -> String {
        registry.execute_expfmt_callbacks()
    }

    fn age(registry: &MetricsRegistry) -> f64 {
        let shown = shown(registry);
        let line = shown.lines().find(|line| !line.starts_with('#')).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_scrape_shows_what_it_asked_for() {
        let (registry, texts) = texts();
        assert_eq!(shown(&registry), "");
        let asked = Arc::new(Notify::new());
        let (ask, wanted) = (asked.clone(), asked);
        let text = texts.add(move || ask.notify_one());
        tokio::spawn(async move {
            for round in 1.. {
                wanted.notified().await;
                text.show(format!("engine_rounds {round}"));
            }
        });
        texts.refresh().await;
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(age(&registry), 9.0);
        texts.refresh().await;
        assert_eq!(
            shown(&registry),
            "# HELP dynamo_component_worker_engine_metrics_age_seconds Seconds since the engine's \
             own metrics were read, the oldest of them\n\
             # TYPE dynamo_component_worker_engine_metrics_age_seconds gauge\n\
             dynamo_component_worker_engine_metrics_age_seconds{model=\"a \\\"b\\\"\\\\\\nc\"} 0\n\
             engine_rounds 2\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_waited_for_once() {
        let (registry, texts) = texts();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let stuck = texts.add(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        stuck.show("last 1".into());
        let began = Instant::now();
        for _ in 0..3 {
            texts.refresh().await;
        }
        assert_eq!(began.elapsed(), PATIENCE);
        assert_eq!((asked.load(Ordering::Relaxed), age(&registry)), (2, 0.5));
        stuck.failed();
        texts.refresh().await;
        assert_eq!(began.elapsed(), 2 * PATIENCE);
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert!(shown(&registry).ends_with("\nlast 1\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_closed_is_shown_and_not_asked_for() {
        let (registry, texts) = texts();
        let text = texts.add(|| ());
        text.show("last 1\n".into());
        text.close();
        let began = Instant::now();
        texts.refresh().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(text.is_closed());
        assert!(shown(&registry).ends_with("\nlast 1\n"));
    }
}
