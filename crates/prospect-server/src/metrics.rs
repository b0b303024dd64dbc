//! Metrics for Prometheus.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use prospect_session::{PaceEntry, StageTimes};

use crate::backend::{ChatAnswer, Load};

/// Histogram bounds for the time of a stage, in seconds: from a small model on a fast machine to a
/// large one on a slow machine.
const STAGE_BOUNDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counters by the name of a receiver.
type ByReceiver = Family<[(&'static str, String); 1], Counter>;

/// Counters of the replies for one receiver.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReceiverCounts {
    pub(crate) sent: Counter,
    pub(crate) failed: Counter,
    pub(crate) dropped: Counter,
}

/// All metrics, over all sessions.
pub(crate) struct Metrics {
    registry: Registry,
    frames: Counter,
    frames_dropped: Counter,
    replies: Counter,
    evictions: Counter,
    prompt_tokens: Counter,
    generated_tokens: Counter,
    sessions_opened: Counter,
    sessions_refused: Counter,
    notices_sent: ByReceiver,
    notices_failed: ByReceiver,
    notices_dropped: ByReceiver,
    vision: Histogram,
    decode: Histogram,
    total: Histogram,
    wait: Histogram,
    eviction: Histogram,
    sessions: Gauge,
    frames_waiting: Gauge,
    cache_bytes: Gauge<u64, AtomicU64>,
    cache_limit: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let stage = || Histogram::new(STAGE_BOUNDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("prospect"),
            frames: Counter::default(),
            frames_dropped: Counter::default(),
            replies: Counter::default(),
            evictions: Counter::default(),
            prompt_tokens: Counter::default(),
            generated_tokens: Counter::default(),
            sessions_opened: Counter::default(),
            sessions_refused: Counter::default(),
            notices_sent: ByReceiver::default(),
            notices_failed: ByReceiver::default(),
            notices_dropped: ByReceiver::default(),
            vision: stage(),
            decode: stage(),
            total: stage(),
            wait: stage(),
            eviction: stage(),
            sessions: Gauge::default(),
            frames_waiting: Gauge::default(),
            cache_bytes: Gauge::default(),
            cache_limit: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        for (name, help, counter) in [
            ("frames", "Frames that went into the model", &self.frames),
            ("frames_dropped", "Frames that never reached the model", &self.frames_dropped),
            ("replies", "Replies of the assistant", &self.replies),
            ("evictions", "Cache overflows that were handled", &self.evictions),
            (
                "prompt_tokens",
                "Tokens that went into the model: frames, texts and pictures",
                &self.prompt_tokens,
            ),
            ("generated_tokens", "Tokens that the model has generated in replies", &self.generated_tokens),
            ("sessions_opened", "Sessions that were opened", &self.sessions_opened),
            (
                "sessions_refused",
                "Sessions for which there was no room, or that did not hold",
                &self.sessions_refused,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        for (name, help, counters) in [
            ("notices_sent", "Replies that a receiver has taken", &self.notices_sent),
            ("notices_failed", "Replies that a receiver would not take", &self.notices_failed),
            ("notices_dropped", "Replies that found no room in a receiver's queue", &self.notices_dropped),
        ] {
            registry.register(name, help, counters.clone());
        }
        for (name, help, histogram) in [
            ("vision", "Vision tower and connector, a frame", &self.vision),
            ("decode", "Prefill, decision and reply, a frame", &self.decode),
            ("frame", "Everything that is done for a frame", &self.total),
            ("frame_wait", "From a frame's arrival to its turn", &self.wait),
            ("eviction", "A cache overflow, its summary included", &self.eviction),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        registry.register("sessions", "Sessions that are open", self.sessions.clone());
        let waiting = "Frames that wait for their turn with the model";
        registry.register("frames_waiting", waiting, self.frames_waiting.clone());
        registry.register_with_unit("cache", "What all caches take", Unit::Bytes, self.cache_bytes.clone());
        registry.register_with_unit(
            "cache_limit",
            "What all caches may take; 0 without a limit",
            Unit::Bytes,
            self.cache_limit.clone(),
        );
    }

    /// `tokens` went in with the frame.
    pub(crate) fn frame(&self, tokens: usize, times: &StageTimes, pace: Option<&PaceEntry>) {
        self.frames.inc();
        self.prompt_tokens.inc_by(tokens as u64);
        self.vision.observe(times.vision_ms / 1e3);
        self.decode.observe(times.decode_ms / 1e3);
        self.total.observe(times.total_ms / 1e3);
        if let Some(pace) = pace {
            self.wait.observe(pace.wait_ms / 1e3);
        }
    }

    pub(crate) fn dropped(&self) {
        self.frames_dropped.inc();
    }

    /// A reply has this number of tokens.
    pub(crate) fn replied(&self, tokens: usize) {
        self.replies.inc();
        self.generated_tokens.inc_by(tokens as u64);
    }

    /// A conversation without a session was answered.
    pub(crate) fn chatted(&self, answer: &ChatAnswer) {
        self.prompt_tokens.inc_by(answer.prompt_tokens as u64);
        self.generated_tokens.inc_by(answer.answer_tokens as u64);
    }

    pub(crate) fn evicted(&self, ms: f64) {
        self.evictions.inc();
        self.eviction.observe(ms / 1e3);
    }

    /// The counters of a receiver.
    pub(crate) fn receiver(&self, name: &str) -> ReceiverCounts {
        let of = |counters: &ByReceiver| counters.get_or_create_owned(&[("receiver", name.to_owned())]);
        ReceiverCounts {
            sent: of(&self.notices_sent),
            failed: of(&self.notices_failed),
            dropped: of(&self.notices_dropped),
        }
    }

    /// Counts a request for a session.
    pub(crate) fn asked(&self, opened: bool) {
        let counter = if opened { &self.sessions_opened } else { &self.sessions_refused };
        counter.inc();
    }

    /// All metrics as text.
    pub(crate) fn text(&self, sessions: usize, load: Load) -> String {
        self.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        self.frames_waiting.set(i64::try_from(load.frames_waiting).unwrap_or(i64::MAX));
        self.cache_bytes.set(load.cache_bytes);
        self.cache_limit.set(load.cache_limit.unwrap_or(0));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_counted() {
        let metrics = Metrics::new();
        metrics.frame(21, &StageTimes { vision_ms: 2.0, decode_ms: 3.0, total_ms: 5.0 }, None);
        metrics.replied(3);
        metrics.chatted(&ChatAnswer { prompt_tokens: 9, answer_tokens: 2, is_cut: false });
        metrics.evicted(4.0);
        metrics.receiver("webhook_1").sent.inc();
        let text =
            metrics.text(2, Load { streams: 2, cache_bytes: 1024, cache_limit: None, frames_waiting: 0 });
        for line in [
            "prospect_frames_total 1",
            "prospect_replies_total 1",
            "prospect_prompt_tokens_total 30",
            "prospect_generated_tokens_total 5",
            "prospect_evictions_total 1",
            "prospect_sessions 2",
            "prospect_notices_sent_total{receiver=\"webhook_1\"} 1",
            "prospect_notices_dropped_total{receiver=\"webhook_1\"} 0",
            "prospect_cache_bytes 1024",
            "prospect_frame_seconds_count 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
