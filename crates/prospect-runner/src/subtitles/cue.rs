//! Times at which a reply is on the screen.

/// Characters that a person reads per second.
const LETTERS_PER_SECOND: f64 = 15.0;
/// Shortest time of a text on the screen, in seconds, unless another one follows.
const LEAST_SECONDS: f64 = 2.0;
/// Longest time of a text on the screen, in seconds. A reply that went wrong can have any length.
const MOST_SECONDS: f64 = 30.0;

/// Latest time, about eleven years, so that adding a reading time cannot overflow.
const LAST_MS: u64 = 100_000 * 3_600_000;

/// A text on the screen. Times are rounded to milliseconds, as in the files, so that cues never
/// overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When it appears, in milliseconds.
    pub start_ms: u64,
    /// When it disappears, in milliseconds. Later than `start_ms`.
    pub end_ms: u64,
    /// The text of the reply.
    pub text: String,
}

impl Cue {
    /// A text that appears at a stream time in seconds, for as long as it takes to read it.
    pub fn new(time: f64, text: &str) -> Self {
        // A trace can contain any times. The conversion saturates.
        let start_ms = ((time * 1e3).round() as u64).min(LAST_MS);
        Self { start_ms, end_ms: start_ms + reading_ms(text), text: text.to_owned() }
    }

    /// Lets another cue follow. This cue then ends at the latest when the other begins. If the other
    /// does not begin later than this one, its text is appended to this one's, and the result is
    /// `None`.
    pub fn followed_by(&mut self, next: Self) -> Option<Self> {
        if next.start_ms <= self.start_ms {
            self.text = format!("{} {}", self.text, next.text);
            self.end_ms = self.start_ms + reading_ms(&self.text);
            return None;
        }
        self.end_ms = self.end_ms.min(next.start_ms);
        Some(next)
    }
}

fn reading_ms(text: &str) -> u64 {
    let seconds = text.chars().count() as f64 / LETTERS_PER_SECOND;
    (seconds.clamp(LEAST_SECONDS, MOST_SECONDS) * 1e3).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_stays_until_it_is_read_or_another_comes() {
        let mut first = Cue::new(1.5, "Stop.");
        assert_eq!((first.start_ms, first.end_ms), (1500, 3500));
        assert_eq!(Cue::new(0.0, &"a".repeat(60)).end_ms, 4000);
        assert_eq!(Cue::new(0.0, &"ä".repeat(9000)).end_ms, 30_000);
        let second = first.followed_by(Cue::new(2.0, "Go on.")).unwrap();
        assert_eq!((first.end_ms, second.start_ms), (2000, 2000));
    }

    #[test]
    fn what_is_said_in_one_moment_is_one_cue() {
        let mut cue = Cue::new(4.0001, "Stir.");
        assert_eq!(cue.followed_by(Cue::new(4.0, "Go on.")), None);
        assert_eq!((cue.text.as_str(), cue.start_ms), ("Stir. Go on.", 4000));
    }
}
