//! Turns rendered messages into the text that is tokenized: each image and video becomes the names of
//! its tokens.

use std::ops::Range;

use prospect_context::SegmentKind;

use crate::error::{ProcessorError, Result};
use crate::media::{Content, Message, image_text, video_text};
use crate::token_texts::TokenTexts;
use crate::tokens::has_meaning;

/// Progress of expanding rendered messages.
pub(crate) struct Expansion<'a> {
    rendered: &'a str,
    /// Ranges of `rendered` in which the names of special tokens are plain text.
    literal: &'a [Range<usize>],
    texts: &'a TokenTexts,
    image_seq_len: usize,
    /// Byte of `rendered` up to which the expansion is done.
    from: usize,
    text: String,
    /// The same ranges in `text`.
    kept: Vec<Range<usize>>,
    /// Kind of each part, with the byte of `text` at which the part begins.
    parts: Vec<(SegmentKind, usize)>,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(
        rendered: &'a str,
        literal: &'a [Range<usize>],
        texts: &'a TokenTexts,
        image_seq_len: usize,
    ) -> Self {
        let text = String::with_capacity(rendered.len());
        Self { rendered, literal, texts, image_seq_len, from: 0, text, kept: Vec::new(), parts: Vec::new() }
    }

    /// Expands one message, which ends at byte `to` of `rendered`.
    pub(crate) fn message(&mut self, message: &Message, to: usize) -> Result<()> {
        let texts = self.texts;
        let images = message.content.iter().filter(|part| matches!(part, Content::Image(_))).count();
        let videos = message.content.iter().filter(|part| matches!(part, Content::Video(_))).count();
        for (token, expected) in [(&texts.image, images), (&texts.video, videos)] {
            let found = self.placeholders(token, to).count();
            // If the message has no video, `<video>` is plain text, because it is not a token.
            if found != expected && (*token == texts.image || expected > 0) {
                return Err(ProcessorError::MediaMismatch { token: token.clone(), found, expected });
            }
        }
        let kind = SegmentKind::from(message.role);
        self.parts.push((kind, self.text.len()));
        for part in &message.content {
            let (placeholder, replacement) = match part {
                Content::Text(_) => continue,
                Content::Image(grid) => (&texts.image, image_text(*grid, self.image_seq_len, texts)),
                Content::Video(clip) => (&texts.video, video_text(clip, self.image_seq_len, texts)?),
            };
            let Some(place) = self.placeholders(placeholder, to).next() else { continue };
            self.copy(place);
            self.parts.push((SegmentKind::Frame, self.text.len()));
            self.text.push_str(&replacement);
            self.parts.push((kind, self.text.len()));
            self.from = place + placeholder.len();
        }
        self.copy(to);
        Ok(())
    }

    /// Returns the text, its literal ranges and its parts. The text behind the messages gets the kind
    /// `last`.
    pub(crate) fn rest(
        mut self,
        last: SegmentKind,
    ) -> (String, Vec<Range<usize>>, Vec<(SegmentKind, usize)>) {
        self.parts.push((last, self.text.len()));
        self.copy(self.rendered.len());
        (self.text, self.kept, self.parts)
    }

    /// Byte positions, up to `to`, of the placeholders `name` that the template itself wrote.
    fn placeholders<'s>(&'s self, name: &'s str, to: usize) -> impl Iterator<Item = usize> + 's {
        let places = self.rendered[self.from..to].match_indices(name).map(|(place, _)| self.from + place);
        places.filter(|place| has_meaning(self.literal, *place, name.len()))
    }

    fn copy(&mut self, to: usize) {
        let (from, at) = (self.from, self.text.len());
        let copied = self.literal.iter().filter(|range| range.start >= from && range.end <= to);
        self.kept.extend(copied.map(|range| range.start - from + at..range.end - from + at));
        self.text.push_str(&self.rendered[from..to]);
        self.from = to;
    }
}
