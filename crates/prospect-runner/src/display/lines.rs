//! Shows a run as plain lines: every reply with its time stamp, and beside it the reference if there is
//! one.

use std::io::Write;

use prospect_session::Reply;

use super::Display;
use crate::layout::{counted, fitted};
use crate::run::Outcome;
use prospect_evaluation::annotations::{Annotations, Message};
use prospect_evaluation::{WINDOW_FRAMES, exact_counts};
use prospect_foreign::harmless;
use prospect_source::Frame;

/// Columns of a reply, after which its reference begins.
const REPLY_WIDTH: usize = 60;
/// Columns that a line needs in which references stand beside replies, one below the other.
const WIDTH_FOR_REFERENCES: usize = 75;

/// Writes lines to any writer.
pub struct Lines<W: Write> {
    out: W,
    annotations: Annotations,
    references: Vec<Message>,
    /// All replies, kept only if there are references. The stream is then as short as its annotated
    /// video.
    replies: Vec<Reply>,
    /// For each reference, whether a line has shown it.
    shown: Vec<bool>,
    fps: f64,
    /// Whether a frame has come.
    begun: bool,
    /// Columns that a person sees.
    width: Option<usize>,
}

impl<W: Write> Lines<W> {
    /// Writes lines to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            annotations: Annotations::default(),
            references: Vec::new(),
            replies: Vec::new(),
            shown: Vec::new(),
            fps: 1.0,
            begun: false,
            width: None,
        }
    }

    /// The same lines, broken at words behind `width` columns.
    #[must_use]
    pub fn within(self, width: Option<usize>) -> Self {
        Self { width, ..self }
    }

    /// Writes one line. A reader that has gone away is no reason to stop the run.
    fn line(&mut self, text: &str) {
        let text = fitted(&on_one_line(text), self.width);
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    fn row(&mut self, time: f64, reply: &str, remark: &str) {
        let is_narrow = self.width.is_some_and(|width| width < WIDTH_FOR_REFERENCES);
        let reply_width = if is_narrow { 0 } else { REPLY_WIDTH };
        let line = format!("{}  {reply:<reply_width$}  {remark}", clock(time));
        self.line(line.trim_end());
    }

    /// The first reference near `time` that no line has shown. One with the same text is preferred.
    fn near(&self, time: f64, text: &str) -> Option<usize> {
        let window = (WINDOW_FRAMES + 1e-6) / self.fps;
        let open =
            |index: &usize| !self.shown[*index] && (self.references[*index].time - time).abs() <= window;
        let mut near = (0..self.references.len()).filter(open);
        let first = near.clone().next();
        near.find(|index| self.references[*index].text == text).or(first)
    }

    /// Shows the references that no reply can match any more.
    fn show_missed(&mut self, before: f64) {
        for index in 0..self.references.len() {
            if !self.shown[index] && self.references[index].time < before {
                self.shown[index] = true;
                let Message { time, text, .. } = self.references[index].clone();
                self.row(time, "(silent)", &format!("✗ reference: {text}"));
            }
        }
    }

    fn show_reply(&mut self, reply: &Reply) {
        let remark = match self.near(reply.time, &reply.text) {
            _ if self.references.is_empty() => String::new(),
            None => "✗ no reference".to_owned(),
            Some(index) => {
                self.shown[index] = true;
                let reference = &self.references[index].text;
                if *reference == reply.text {
                    "✓".to_owned()
                } else {
                    format!("✗ reference: {reference}")
                }
            }
        };
        let remark = match (reply.repeats, remark.is_empty()) {
            (false, _) => remark,
            (true, true) => REPEATS.to_owned(),
            (true, false) => format!("{remark} {REPEATS}"),
        };
        self.row(reply.time, &reply.text, &remark);
    }
}

/// A text on one line, safe for a terminal.
pub(super) fn on_one_line(text: &str) -> String {
    harmless(text).replace('\n', "␊")
}

/// Time as `1:02:03.5` or ` 2:03.5`, right-aligned.
pub(super) fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let tail = format!("{:02}.{}", rest / 10, rest % 10);
    let text = if hours > 0 { format!("{hours}:{minutes:02}:{tail}") } else { format!("{minutes}:{tail}") };
    format!("{text:>9}")
}

/// Remark for a reply that was cut because it repeats itself.
const REPEATS: &str = "(repeats itself)";

impl<W: Write> Display for Lines<W> {
    fn begin(&mut self, source: &str, length: Option<usize>, annotations: Option<&Annotations>, fps: f64) {
        self.annotations = annotations.cloned().unwrap_or_default();
        self.references = self.annotations.references().cloned().collect();
        self.shown = vec![false; self.references.len()];
        self.fps = fps;
        let frames = length.map(|frames| format!(", {frames} frames")).unwrap_or_default();
        self.line(&format!("{source}{frames} at {fps} fps"));
    }

    fn frame(&mut self, frame: &Frame, reply: Option<&Reply>) {
        if !self.begun {
            self.begun = true;
            // References before the first frame do not belong to this stream.
            self.shown = self.references.iter().map(|reference| reference.time < frame.time).collect();
        }
        self.show_missed(frame.time - (WINDOW_FRAMES + 0.5) / self.fps);
        if let Some(reply) = reply {
            self.show_reply(reply);
            if !self.references.is_empty() {
                self.replies.push(reply.clone());
            }
        }
    }

    fn earlier(&mut self, replies: Vec<Reply>) {
        self.replies = replies;
    }

    fn note(&mut self, line: &str) {
        self.line(&format!("note: {line}"));
    }

    fn end(&mut self, outcome: Option<&Outcome>) {
        let Some(outcome) = outcome else { return };
        let statistics = &outcome.statistics;
        self.show_missed(outcome.span.1 + 1e-6);
        let (p50, p95) = (statistics.percentile_ms(0.50), statistics.percentile_ms(0.95));
        self.line(&format!(
            "{}, {}, {}, at most {} tokens in the cache; a frame took {p50:.1} ms (p95 {p95:.1} ms)",
            counted(statistics.frames, "frame", "frames"),
            counted(statistics.replies, "reply", "replies"),
            counted(statistics.overflows, "overflow", "overflows"),
            statistics.peak_cache_tokens
        ));
        if let Some(pace) = statistics.pace_summary() {
            self.line(&format!(
                "{} frames dropped, {} deadlines missed, at most {} frames waiting; behind by {:.0} ms (p95 {:.0} ms)",
                statistics.frames_dropped, pace.missed, pace.most_queued, pace.p50_lag_ms, pace.p95_lag_ms
            ));
        }
        let counts = exact_counts(
            &self.replies,
            &outcome.references(&self.annotations),
            (outcome.span.0, statistics.frames),
            self.fps,
        );
        if counts.references > 0 {
            let (f1, matched, of) = (counts.f1(), counts.matched, counts.references);
            self.line(&format!("{matched} of {of} references matched exactly (exact F1 {f1:.3})"));
        }
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use prospect_evaluation::annotations::Speaker;
    use prospect_session::RunStatistics;

    #[test]
    fn clocks_align() {
        assert_eq!([clock(0.0), clock(62.5), clock(3723.5)], ["   0:00.0", "   1:02.5", "1:02:03.5"]);
    }

    #[test]
    fn replies_stand_beside_their_references() {
        let message = |time, text: &str| Message::new(time, Speaker::Assistant, text);
        let annotations = Annotations {
            messages: vec![message(0.0, "Take a cup."), message(2.0, "Pour."), message(4.0, "Stir.")],
            ..Annotations::default()
        };
        let mut lines = Lines::new(Vec::new());
        lines.begin("tea.mp4", Some(12), Some(&annotations), 2.0);
        for index in 0..12 {
            let time = index as f64 / 2.0;
            let text = match index {
                0 => Some("Take a cup."),
                5 => Some("Poor."),
                11 => Some("Done?"),
                _ => None,
            };
            let reply = text.map(|text| Reply { frame: index, time, text: text.into(), repeats: false });
            let frame = Frame { index, time, image: RgbImage::new(1, 1).into(), name: None };
            lines.frame(&frame, reply.as_ref());
        }
        lines.note("one frame was skipped");
        let mut statistics = RunStatistics::default();
        (statistics.frames, statistics.replies) = (12, 3);
        lines.end(Some(&Outcome { statistics, span: (0.0, 5.5) }));
        insta::assert_snapshot!(String::from_utf8(lines.out).unwrap());
    }
}
