//! The laws of traces, which hold under every strategy.

use crate::event::{Event, SegmentEntry};

/// The laws that a finished trace breaks, one line each; empty for a valid trace. It checks the bound of the
/// cache, the sums of the ledger (the tokens that went in, were kept and were put back, against the length of
/// the cache), the kept ranges, the order of the events, and the closing figures. It also checks that the
/// time of a frame covers its evictions, and that the time of an eviction covers the summaries for which it
/// waited.
pub fn broken_laws(events: &[Event]) -> Vec<String> {
    let mut check = Check::default();
    for (number, event) in events.iter().enumerate() {
        check.line = number + 1;
        check.event(event, number + 1 == events.len());
    }
    if !matches!(events.last(), Some(Event::RunFinished { .. })) {
        check.broken.push("the last event is not run_finished".to_owned());
    }
    check.broken
}

#[derive(Default)]
struct Check {
    line: usize,
    broken: Vec<String>,
    max_seq_len: usize,
    /// The length of the cache after the last frame or overflow; `None` if the next frame starts with an
    /// empty cache.
    cache_tokens: Option<usize>,
    /// Whether every frame starts from the opening.
    stateless: bool,
    /// The tokens of the opening under the baseline `none`. They are before every frame except for the first,
    /// which brings them.
    opening: Option<usize>,
    last_frame: Option<(usize, f64)>,
    frames: usize,
    frames_dropped: usize,
    /// The number of the last dropped frame that has a number.
    last_dropped: Option<usize>,
    missed: usize,
    interruptions: usize,
    replies: usize,
    overflows: usize,
    peak_cache_tokens: usize,
    /// Milliseconds of the evictions that belong to the next frame.
    evictions_ms: f64,
    /// Milliseconds of the last frame's time that are left for evictions behind it.
    frame_ms_left: f64,
    /// Milliseconds of the summaries for which the next eviction waited.
    summaries_ms: f64,
    /// The tokens of the longest of these summaries. All but the last token were in the cache, behind all
    /// other tokens.
    summary_tokens: usize,
}

/// The tolerance for sums of floating-point milliseconds.
const ROUNDING_MS: f64 = 1e-6;

impl Check {
    fn law(&mut self, holds: bool, broken: impl Fn() -> String) {
        if !holds {
            self.broken.push(format!("line {}: {}", self.line, broken()));
        }
    }

    fn event(&mut self, event: &Event, last: bool) {
        match event {
            Event::RunStarted { strategy, .. } => {
                self.law(self.line == 1, || "run_started again".to_owned());
                self.max_seq_len = usize::MAX;
                self.stateless = strategy == "none";
                self.cache_tokens = Some(0);
            }
            Event::Budget { max_seq_len, .. } => self.max_seq_len = *max_seq_len,
            Event::Frame { index, time, segments, cache_tokens, pace, times, .. } => {
                self.missed += usize::from(pace.is_some_and(|pace| pace.missed));
                self.frame((*index, *time), segments, *cache_tokens);
                self.frame_time(times.total_ms);
            }
            Event::Reply { frame, .. } => {
                self.replies += 1;
                let follows = self.last_frame.is_none_or(|(before, _)| *frame > before);
                self.law(follows, || format!("a reply to frame {frame}, which has been recorded already"));
            }
            Event::Overflow { time, tokens_before, tokens_after, kept, put_back, ms, .. } => {
                let put_back = put_back.iter().map(|piece| piece.tokens).sum();
                self.overflow(*tokens_before, *tokens_after, kept, put_back);
                self.eviction_time(*time, *ms);
            }
            Event::Summary { covers: None, token_ids, ms, .. } => {
                self.summaries_ms += ms;
                self.summary_tokens = self.summary_tokens.max(token_ids.len().saturating_sub(1));
            }
            Event::FrameDropped { index, .. } => self.dropped(*index),
            Event::SourceInterrupted { .. } => self.interruptions += 1,
            Event::RunFinished {
                frames,
                frames_dropped,
                replies,
                overflows,
                peak_cache_tokens,
                pace,
                ..
            } => {
                self.law(last, || "events after run_finished".to_owned());
                let counted = (self.frames, self.frames_dropped, self.replies, self.overflows);
                let closing = (*frames, *frames_dropped, *replies, *overflows);
                self.law(counted == closing, || {
                    format!("frames, dropped, replies, overflows are {closing:?}, counted {counted:?}")
                });
                let (peak, max) = (*peak_cache_tokens, self.max_seq_len);
                self.law(peak <= max, || format!("{peak} tokens at the peak, the bound is {max}"));
                let seen = self.peak_cache_tokens;
                self.law(peak >= seen, || format!("peak_cache_tokens is {peak}, a frame had {seen}"));
                let counted = (self.missed, self.interruptions);
                let closing = pace.map_or((0, 0), |pace| (pace.missed, pace.interruptions));
                self.law(counted == closing, || {
                    format!("missed deadlines and interruptions are {closing:?}, counted {counted:?}")
                });
            }
            Event::Message { .. }
            | Event::Summary { .. }
            | Event::Error { .. }
            | Event::SettingsChanged { .. }
            | Event::SourceNote { .. } => {}
        }
    }

    fn frame(&mut self, (index, time): (usize, f64), segments: &[SegmentEntry], cache_tokens: usize) {
        let went_in: usize = segments.iter().map(|segment| segment.tokens).sum();
        self.frames += 1;
        let after = self.last_frame.is_none_or(|(before, then)| index > before && time > then);
        self.law(after, || format!("frame {index} at {time} s comes after a later one"));
        let after = self.last_dropped.is_none_or(|dropped| index > dropped);
        self.law(after, || format!("frame {index} comes after a later one that was dropped"));
        self.last_frame = Some((index, time));
        self.bounded(cache_tokens);
        if let Some(before) = self.cache_tokens {
            self.law(before + went_in == cache_tokens, || {
                format!("{before} tokens and {went_in} more, but cache_tokens is {cache_tokens}")
            });
        }
        if self.stateless {
            // The first frame brings what opens the stream; every other comes behind that, and behind nothing else.
            let before = cache_tokens.saturating_sub(went_in);
            let expected = self.opening.unwrap_or(0);
            self.law(before == expected, || {
                format!("a frame of strategy none comes behind {before} tokens, expected are {expected}")
            });
            let pinned = segments.iter().filter(|segment| segment.pinned).map(|segment| segment.tokens);
            self.opening.get_or_insert_with(|| pinned.sum());
        }
        self.cache_tokens = (!self.stateless).then_some(cache_tokens);
    }

    /// Checks that the time of a frame covers its evictions.
    fn frame_time(&mut self, total_ms: f64) {
        let evictions = std::mem::take(&mut self.evictions_ms);
        self.law(evictions <= total_ms + ROUNDING_MS, || {
            format!("a frame took {total_ms} ms, the evictions before it {evictions} ms")
        });
        self.frame_ms_left = total_ms - evictions;
    }

    fn eviction_time(&mut self, time: f64, ms: f64) {
        let summaries = std::mem::take(&mut self.summaries_ms);
        self.law(summaries <= ms + ROUNDING_MS, || {
            format!("an eviction took {ms} ms, the summaries that it waited for {summaries} ms")
        });
        // Under ProAssist's rules the eviction comes after its frame, and bears its time.
        if self.last_frame.is_none_or(|(_, frame)| frame < time) {
            self.evictions_ms += ms;
            return;
        }
        self.frame_ms_left -= ms;
        let left = self.frame_ms_left;
        self.law(left >= -ROUNDING_MS, || {
            format!("the evictions behind a frame took {} ms more than it", -left)
        });
    }

    fn dropped(&mut self, index: Option<usize>) {
        self.frames_dropped += 1;
        let Some(index) = index else { return };
        let last = self.last_frame.map(|(frame, _)| frame).max(self.last_dropped);
        self.law(last.is_none_or(|last| index > last), || {
            format!("frame {index} is dropped after a later one")
        });
        self.last_dropped = Some(index);
    }

    fn overflow(&mut self, before: usize, after: usize, kept: &[[usize; 2]], put_back: usize) {
        self.overflows += 1;
        if let Some(cache_tokens) = self.cache_tokens {
            self.law(before == cache_tokens, || {
                format!("tokens_before is {before}, the cache had {cache_tokens}")
            });
        }
        let mut end_before = 0;
        for &[start, end] in kept {
            self.law(end_before <= start && start < end && end <= before, || {
                format!("kept [{start}, {end}) is out of order or out of bounds")
            });
            end_before = end;
        }
        let kept: usize = kept.iter().map(|[start, end]| end.saturating_sub(*start)).sum();
        // Under ProAssist's rules, texts go in with the next frame and are counted there.
        self.law(after == kept + put_back || after == kept, || {
            format!("{kept} tokens kept and {put_back} put back, but tokens_after is {after}")
        });
        // A summary is written behind the whole cache.
        let behind = std::mem::take(&mut self.summary_tokens);
        self.bounded(before + behind);
        self.bounded(after);
        self.cache_tokens = Some(after);
    }

    fn bounded(&mut self, cache_tokens: usize) {
        let max = self.max_seq_len;
        self.law(cache_tokens <= max, || format!("{cache_tokens} tokens in the cache, the bound is {max}"));
        self.peak_cache_tokens = self.peak_cache_tokens.max(cache_tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
{"event":"run_started","schema_version":2,"config":{},"model":"m","source":"s","device":"cpu","threads":1,"dtype":"f32","strategy":"drop_middle","kv_bytes_per_token":4,"versions":{"prospect":"0"}}
{"event":"budget","max_seq_len":30,"reserved_seq_len":2,"max_reply_tokens":3,"max_summary_tokens":0}
{"event":"message","role":"system","text":"hi","time":0.0}
{"event":"reply","frame":0,"time":0.0,"text":"a","token_ids":[1,2]}
{"event":"frame","index":0,"time":0.0,"segments":[{"kind":"system","tokens":10,"pinned":true},{"kind":"frame","tokens":9,"pinned":false}],"cache_tokens":19,"vision_ms":1.0,"decode_ms":1.0,"total_ms":2.0}
{"event":"overflow","time":0.5,"strategy":"drop_middle","trigger":"no_room","incoming":9,"tokens_before":19,"tokens_after":14,"kept":[[0,10],[15,17]],"put_back":[{"kind":"summary","tokens":2}],"positions":"rerotate","positions_reset":false,"ms":1.0}
{"event":"frame","index":1,"time":0.5,"segments":[{"kind":"frame","tokens":9,"pinned":false}],"cache_tokens":23,"vision_ms":1.0,"decode_ms":1.0,"total_ms":2.0}
{"event":"run_finished","frames":2,"frames_dropped":0,"replies":1,"overflows":1,"peak_cache_tokens":25,"p50_ms":2.0,"p95_ms":2.0,"p99_ms":2.0}"#;

    fn broken(from: &str, to: &str) -> String {
        assert!(SOUND.contains(from), "{from}");
        let text = SOUND.replacen(from, to, 1);
        let events: Vec<Event> =
            text.trim().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        broken_laws(&events).join("; ")
    }

    #[test]
    fn a_sound_trace_breaks_none() {
        assert_eq!(broken("hi", "hi"), "");
    }

    #[test]
    fn every_law_can_be_broken() {
        for (from, to, complaint) in [
            ("\"max_seq_len\":30", "\"max_seq_len\":22", "line 7: 23 tokens in the cache, the bound is 22"),
            ("\"max_seq_len\":30", "\"max_seq_len\":24", "line 8: 25 tokens at the peak, the bound is 24"),
            (
                "\"cache_tokens\":23",
                "\"cache_tokens\":24",
                "line 7: 14 tokens and 9 more, but cache_tokens is 24",
            ),
            ("\"tokens_before\":19", "\"tokens_before\":18", "line 6: tokens_before is 18, the cache had 19"),
            ("[15,17]", "[18,20]", "kept [18, 20) is out of order or out of bounds"),
            ("[[0,10],[15,17]]", "[[15,17],[0,10]]", "kept [0, 10) is out of order or out of bounds"),
            (
                "\"tokens_after\":14",
                "\"tokens_after\":13",
                "12 tokens kept and 2 put back, but tokens_after is 13",
            ),
            ("\"index\":1", "\"index\":0", "frame 0 at 0.5 s comes after a later one"),
            ("\"replies\":1", "\"replies\":2", "are (2, 0, 2, 1), counted (2, 0, 1, 1)"),
            (
                "\"peak_cache_tokens\":25",
                "\"peak_cache_tokens\":22",
                "peak_cache_tokens is 22, a frame had 23",
            ),
            (
                "\"positions_reset\":false,\"ms\":1.0",
                "\"positions_reset\":false,\"ms\":2.5",
                "line 7: a frame took 2 ms, the evictions before it 2.5 ms",
            ),
            (
                "{\"event\":\"overflow\",\"time\":0.5",
                "{\"event\":\"summary\",\"time\":0.5,\"prompt\":\"p\",\"text\":\"t\",\"token_ids\":[1],\"ms\":1.5}\n{\"event\":\"overflow\",\"time\":0.5",
                "line 7: an eviction took 1 ms, the summaries that it waited for 1.5 ms",
            ),
            (
                "{\"event\":\"overflow\",\"time\":0.5",
                "{\"event\":\"summary\",\"time\":0.5,\"prompt\":\"p\",\"text\":\"t\",\"token_ids\":[1,2,3,4,5,6,7,8,9],\"ms\":0.5}\n{\"event\":\"overflow\",\"time\":0.5",
                "peak_cache_tokens is 25, a frame had 27",
            ),
            (
                "{\"event\":\"overflow\",\"time\":0.5",
                "{\"event\":\"overflow\",\"time\":0.5,\"strategy\":\"proassist\",\"trigger\":\"reserved\",\"incoming\":0,\"tokens_before\":19,\"tokens_after\":19,\"kept\":[[0,19]],\"put_back\":[],\"positions\":\"legacy\",\"positions_reset\":false,\"ms\":1.0}\n{\"event\":\"overflow\",\"time\":0.5",
                "are (2, 0, 1, 1), counted (2, 0, 1, 2)",
            ),
            (
                "{\"event\":\"overflow\",\"time\":0.5",
                "{\"event\":\"overflow\",\"time\":0.0,\"strategy\":\"proassist\",\"trigger\":\"reserved\",\"incoming\":0,\"tokens_before\":19,\"tokens_after\":19,\"kept\":[[0,19]],\"put_back\":[],\"positions\":\"legacy\",\"positions_reset\":false,\"ms\":2.5}\n{\"event\":\"overflow\",\"time\":0.5",
                "line 6: the evictions behind a frame took 0.5 ms more than it",
            ),
            (
                "\"strategy\":\"drop_middle\",\"kv",
                "\"strategy\":\"none\",\"kv",
                "line 7: a frame of strategy none comes behind 14 tokens, expected are 10",
            ),
        ] {
            let found = broken(from, to);
            assert!(found.contains(complaint), "{found}");
        }
    }

    #[test]
    fn a_trace_may_tell_of_a_failure_but_has_to_end() {
        let end = "{\"event\":\"run_finished\"";
        assert_eq!(broken(end, &format!("{{\"event\":\"error\",\"message\":\"x\"}}\n{end}")), "");
        let cut = SOUND.trim().lines().take(3).map(|line| serde_json::from_str(line).unwrap());
        assert_eq!(broken_laws(&cut.collect::<Vec<Event>>()), ["the last event is not run_finished"]);
    }
}
