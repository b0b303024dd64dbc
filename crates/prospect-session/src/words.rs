//! A reply's text as it comes, for whoever asks for it: beside the events, of which the trace has the reply as a whole.

/// What a reply goes on with while it is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Frame after which the reply is given.
    pub frame: usize,
    /// What comes behind the words before. All words of a reply together are its text.
    pub text: String,
}

/// What was told of the reply that is going on, and what is to be told.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    told: String,
    words: Option<Words>,
}

impl Telling {
    /// The reply to `frame` begins with `text`. A text that does not go on from what was told has no more words: its reply tells
    /// it whole.
    pub(crate) fn hear(&mut self, frame: usize, text: &str) {
        let Some(rest) = text.strip_prefix(self.told.as_str()).filter(|rest| !rest.is_empty()) else {
            return;
        };
        self.words.get_or_insert_with(|| Words { frame, text: String::new() }).text.push_str(rest);
        self.told.push_str(rest);
    }

    /// The reply is over.
    pub(crate) fn end(&mut self) {
        self.told.clear();
    }

    pub(crate) fn take(&mut self) -> Option<Words> {
        self.words.take()
    }
}
