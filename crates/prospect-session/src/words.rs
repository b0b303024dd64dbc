//! The text of a reply while it is generated, for callers that ask for it. The words are not events: the
//! trace has only the whole reply.

/// The next part of a reply that is being generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The number of the frame after which the reply is given.
    pub frame: usize,
    /// The text behind the earlier words. All words of a reply together are its text.
    pub text: String,
}

/// The words of the present reply that were taken, and those that wait to be taken.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    told: String,
    words: Option<Words>,
}

impl Telling {
    /// Sets the beginning of the reply to `frame`. If `text` does not continue the words that were taken, the
    /// reply has no more words, and only its event has the whole text.
    pub(crate) fn hear(&mut self, frame: usize, text: &str) {
        let Some(rest) = text.strip_prefix(self.told.as_str()).filter(|rest| !rest.is_empty()) else {
            return;
        };
        self.words.get_or_insert_with(|| Words { frame, text: String::new() }).text.push_str(rest);
        self.told.push_str(rest);
    }

    /// Ends the reply.
    pub(crate) fn end(&mut self) {
        self.told.clear();
    }

    pub(crate) fn take(&mut self) -> Option<Words> {
        self.words.take()
    }
}
