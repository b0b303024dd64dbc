//! Writes cues in the two formats.

use prospect_foreign::one_line;

use super::cue::Cue;

/// A subtitle format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubtitleFormat {
    /// SubRip.
    Srt,
    /// WebVTT.
    Vtt,
}

impl SubtitleFormat {
    /// Extension of the file name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// Text before the first cue.
    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Srt => "",
            Self::Vtt => "WEBVTT\n\n",
        }
    }

    /// A cue with its number, from 1.
    pub(super) fn cue(self, number: usize, cue: &Cue) -> String {
        let (start, end) = (self.time(cue.start_ms), self.time(cue.end_ms));
        format!("{number}\n{start} --> {end}\n{}\n\n", self.text(&cue.text))
    }

    fn time(self, ms: u64) -> String {
        let (seconds, rest) = (ms / 1000, ms % 1000);
        let point = if self == Self::Srt { ',' } else { '.' };
        format!("{:02}:{:02}:{:02}{point}{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// A text on one line, because an empty line would end its cue, and without markup. WebVTT has
    /// escapes. SubRip has none, so characters of its markup are replaced by similar ones.
    fn text(self, text: &str) -> String {
        let line = one_line(text);
        match self {
            Self::Vtt => line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            Self::Srt => line.replace('<', "‹").replace('>', "›").replace('{', "(").replace('}', ")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_width_that_players_expect() {
        assert_eq!(SubtitleFormat::Srt.time(3_723_045), "01:02:03,045");
        assert_eq!(SubtitleFormat::Vtt.time(0), "00:00:00.000");
        assert_eq!(SubtitleFormat::Vtt.time(360_000_000), "100:00:00.000");
    }

    #[test]
    fn a_text_is_no_markup_no_time_and_one_line() {
        let cue = Cue::new(0.0, "1 --> 2\n\n<b>{\\an8}Tom & Jerry</b>\u{1b}[2J");
        assert_eq!(
            SubtitleFormat::Vtt.cue(7, &cue),
            "7\n00:00:00.000 --> 00:00:02.467\n1 --&gt; 2 &lt;b&gt;{\\an8}Tom &amp; Jerry&lt;/b&gt; [2J\n\n"
        );
        assert_eq!(
            SubtitleFormat::Srt.cue(7, &cue),
            "7\n00:00:00,000 --> 00:00:02,467\n1 --› 2 ‹b›(\\an8)Tom & Jerry‹/b› [2J\n\n"
        );
    }
}
