//! What was said of an answer so far, and the texts at which it stops.

/// What was said so far, up to the first text at which it is to stop.
pub(super) struct Said {
    stops: Vec<String>,
    pub(super) text: String,
    /// Bytes of it that were told: what may be the beginning of a stop is held back.
    told: usize,
    pub(super) is_stopped: bool,
}

impl Said {
    pub(super) fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, text: String::new(), told: 0, is_stopped: false }
    }

    /// Takes words, and gives those that can be told by now; nothing once it is to stop.
    pub(super) fn take(&mut self, words: &str) -> Option<String> {
        if self.is_stopped {
            return None;
        }
        self.text.push_str(words);
        let stop = self.stops.iter().filter_map(|stop| self.text.find(stop.as_str())).min();
        if let Some(at) = stop {
            self.text.truncate(at);
            self.is_stopped = true;
            return None;
        }
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let mut sure = self.text.len().saturating_sub(longest.saturating_sub(1)).max(self.told);
        while !self.text.is_char_boundary(sure) {
            sure -= 1;
        }
        let new = self.text.get(self.told..sure).unwrap_or_default().to_owned();
        self.told = sure.max(self.told);
        Some(new)
    }

    /// What was held back.
    pub(super) fn rest(&mut self) -> String {
        let rest = self.text.get(self.told..).unwrap_or_default().to_owned();
        self.told = self.text.len();
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_before_the_text_at_which_it_is_to_stop() {
        let mut said = Said::new(vec!["END".to_owned(), String::new()]);
        assert_eq!(said.take("Take the cube. E"), Some("Take the cube.".to_owned()));
        assert_eq!(said.take("N"), Some(" ".to_owned()));
        assert_eq!((said.take("D and more"), said.text.as_str()), (None, "Take the cube. "));
        let mut said = Said::new(vec!["é".to_owned()]);
        assert_eq!(said.take("ab"), Some("a".to_owned()));
        assert_eq!((said.take("cè"), said.rest()), (Some("bc".to_owned()), "è".to_owned()));
        let mut said = Said::new(Vec::new());
        assert_eq!((said.take("all"), said.rest()), (Some("all".to_owned()), String::new()));
    }
}
