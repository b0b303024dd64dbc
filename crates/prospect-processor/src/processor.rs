//! The processor of a checkpoint folder.

use std::path::Path;

use image::RgbImage;
use prospect_context::{Encoded, Role, SegmentKind};

use crate::chat::ChatTemplate;
use crate::checkpoint_files::CheckpointFiles;
use crate::config::ImageSettings;
use crate::error::{ProcessorError, Result};
use crate::expansion::Expansion;
use crate::literal;
use crate::media::{Content, Message, image_text, stream_frame_text};
use crate::pixels::{Normalizer, Pixels};
use crate::reply;
use crate::sequence::from_parts;
use crate::split::{Grid, split, squared};
use crate::tokens::{SpecialTokens, Tokens};
use crate::turn::{UserTurn, user_turn};

/// Turns images and messages into the model's input, as the checkpoint's files specify.
#[derive(Debug, Clone)]
pub struct Processor {
    settings: ImageSettings,
    normalizer: Normalizer,
    tokens: Tokens,
    template: ChatTemplate,
    generation_prompt: String,
    /// Whether the template begins every message with the BOS token, so that it belongs to the message.
    bos_in_every_message: bool,
    /// Token ids of an unsplit frame, the same for every frame.
    frame_ids: Vec<u32>,
}

impl Processor {
    /// Reads `tokenizer.json`, the chat template, `preprocessor_config.json` and
    /// `processor_config.json`. Both generations of these files are supported.
    ///
    /// # Errors
    /// A file or key is missing or wrong, the tokenizer lacks a token, or the template does not render.
    pub fn from_dir(dir: &Path) -> Result<Self> {
        Self::from_files(&CheckpointFiles::of_folder(dir))
    }

    /// As [`Self::from_dir`], but the contents of some files may come from another file.
    ///
    /// # Errors
    /// As [`Self::from_dir`].
    pub fn from_files(files: &CheckpointFiles) -> Result<Self> {
        let tokens = Tokens::read(files)?;
        let settings = ImageSettings::read(files)?;
        let template = ChatTemplate::read(files)?;
        let frame = image_text(Grid::default(), settings.image_seq_len, &tokens.texts);
        let frame_ids = tokens.encode(&frame)?.0;
        let message = [text_message(Role::User, "text")];
        let without = template.render(&message, false, &tokens.texts)?;
        let with = template.render(&message, true, &tokens.texts)?;
        let generation_prompt = with
            .strip_prefix(&without)
            .ok_or(ProcessorError::TemplateNotIncremental { message: 1 })?
            .to_owned();
        let bos = &tokens.texts.bos;
        let pair = [message[0].clone(), text_message(Role::Assistant, "text")];
        // Some templates require another order of roles. The property is then unknown and taken as
        // false.
        let pair = template.render(&pair, false, &tokens.texts).unwrap_or_default();
        let second = pair.strip_prefix(&without);
        let bos_in_every_message =
            without.starts_with(bos) && second.is_some_and(|text| text.starts_with(bos));
        let normalizer = Normalizer::new(&settings);
        Ok(Self {
            settings,
            normalizer,
            tokens,
            template,
            generation_prompt,
            bos_in_every_message,
            frame_ids,
        })
    }

    /// The ids of the special tokens.
    pub fn special(&self) -> &SpecialTokens {
        &self.tokens.ids
    }

    /// All tokens that end a reply: first `end_of_utterance`, then those of the checkpoint's
    /// generation_config.json, or of config.json where that says nothing.
    pub fn ends(&self) -> &[u32] {
        &self.tokens.ends
    }

    /// Number of image tokens of one tile or frame.
    pub fn image_seq_len(&self) -> usize {
        self.settings.image_seq_len
    }

    /// Whether the checkpoint's settings split single images into tiles.
    pub fn splits_images(&self) -> bool {
        self.settings.do_split
    }

    /// Pixels of a streamed frame: one tile, resized as an image that is not split.
    ///
    /// # Errors
    /// [`ProcessorError::EmptyImage`].
    pub fn frame_pixels(&self, frame: &RgbImage) -> Result<Pixels> {
        let mut pixels = Pixels::default();
        self.frame_pixels_into(frame, &mut pixels)?;
        Ok(pixels)
    }

    /// As [`Self::frame_pixels`], into a buffer that is reused from frame to frame.
    ///
    /// # Errors
    /// [`ProcessorError::EmptyImage`]; `pixels` is then unchanged.
    pub fn frame_pixels_into(&self, frame: &RgbImage, pixels: &mut Pixels) -> Result<()> {
        let tile = squared(frame, &self.settings, self.settings.longest_edge)?;
        self.normalizer.write(&[tile], pixels);
        Ok(())
    }

    /// Pixels of an image, either split into tiles with the global view last, or as one tile.
    ///
    /// # Errors
    /// [`ProcessorError::EmptyImage`].
    pub fn image_pixels(&self, image: &RgbImage, split_image: bool) -> Result<(Pixels, Grid)> {
        let (tiles, grid) = if split_image {
            split(image, &self.settings)?
        } else {
            (vec![squared(image, &self.settings, self.settings.longest_edge)?], Grid::default())
        };
        let mut pixels = Pixels::default();
        self.normalizer.write(&tiles, &mut pixels);
        Ok((pixels, grid))
    }

    /// Pixels of a video's frames, one tile each. Each frame is first resized to the video size of the
    /// settings.
    ///
    /// # Errors
    /// [`ProcessorError::EmptyVideo`], [`ProcessorError::EmptyImage`].
    pub fn video_pixels(&self, frames: &[RgbImage]) -> Result<Pixels> {
        if frames.is_empty() {
            return Err(ProcessorError::EmptyVideo);
        }
        let tiles = frames.iter().map(|frame| self.video_tile(frame)).collect::<Result<Vec<_>>>()?;
        Ok(self.tile_pixels(&tiles))
    }

    /// A frame of a video in the size in which the model sees it: one tile.
    ///
    /// # Errors
    /// [`ProcessorError::EmptyImage`].
    pub fn video_tile(&self, frame: &RgbImage) -> Result<RgbImage> {
        squared(frame, &self.settings, self.settings.video_longest_edge)
    }

    /// Pixels of tiles ([`Self::video_tile`]).
    pub fn tile_pixels(&self, tiles: &[RgbImage]) -> Pixels {
        let mut pixels = Pixels::default();
        self.normalizer.write(tiles, &mut pixels);
        pixels
    }

    /// Token ids of the opening of a stream: the system message, then the first user message if there
    /// is one.
    ///
    /// # Errors
    /// The template or the tokenizer fails.
    pub fn encode_opening(&self, system: &str, user: Option<&str>) -> Result<Encoded> {
        let mut messages = vec![text_message(Role::System, system)];
        messages.extend(user.map(|text| text_message(Role::User, text)));
        self.encode_prompt(&messages, false)
    }

    /// Token ids of one message. `first` keeps the BOS token at the beginning; a message within a
    /// stream has none.
    ///
    /// # Errors
    /// The template or the tokenizer fails.
    pub fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded> {
        let mut encoded = self.encode_prompt(&[text_message(role, text)], false)?;
        if !first && !self.bos_in_every_message && encoded.ids.first() == Some(&self.tokens.ids.bos) {
            encoded = Encoded::single(SegmentKind::from(role), encoded.ids.split_off(1));
        }
        Ok(encoded)
    }

    /// Token ids of plain text, with nothing added. The name of a special token in the text is plain
    /// text too.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>> {
        self.tokens.encode_text(text)
    }

    /// Token ids of the template's generation prompt, which makes the model answer.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn encode_generation_prompt(&self) -> Result<Encoded> {
        let (ids, _) = self.tokens.encode(&self.generation_prompt)?;
        Ok(Encoded::single(SegmentKind::Assistant, ids))
    }

    /// What opens and closes a user's turn into which frames go one after the other, each as [`Self::encode_frame`] has it:
    /// with the line that tells its time (`timed`), or without. Together they are what the template makes of one message.
    ///
    /// # Errors
    /// [`ProcessorError::NoOpenTurn`] for a template that does not allow it; the template or the tokenizer fails.
    pub fn encode_user_turn(&self, timed: bool) -> Result<UserTurn> {
        user_turn(&self.template, &self.tokens, timed)
    }

    /// Token ids of a streamed frame. With `time`, in seconds of the stream, a line with the time comes
    /// first.
    ///
    /// # Errors
    /// [`ProcessorError::BadTime`].
    pub fn encode_frame(&self, time: Option<f64>) -> Result<Encoded> {
        let mut encoded = Encoded::default();
        if let Some(time) = time {
            encoded.push(SegmentKind::Frame, &self.tokens.encode(&stream_frame_text(time)?)?.0);
        }
        encoded.push(SegmentKind::Frame, &self.frame_ids);
        Ok(encoded)
    }

    /// Token ids of a one-shot prompt. Media have the kind [`SegmentKind::Frame`]; everything else has
    /// the kind of its message. The name of a special token in a message's text is plain text:
    /// `<image>` there means these seven characters.
    ///
    /// # Errors
    /// The template or the tokenizer fails, a video has no frames, or the template drops an image or
    /// adds a placeholder of its own.
    pub fn encode_prompt(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Encoded> {
        let texts = &self.tokens.texts;
        let rendered = self.template.render(messages, add_generation_prompt, texts)?;
        let literal =
            literal::ranges(messages, &rendered, add_generation_prompt, &self.template, &self.tokens)?;
        let mut expansion = Expansion::new(&rendered, &literal, texts, self.settings.image_seq_len);
        for (index, message) in messages.iter().enumerate() {
            let to = self.message_end(messages, index, &rendered)?;
            expansion.message(message, to)?;
        }
        let (text, literal, parts) = expansion.rest(SegmentKind::Assistant);
        let (ids, starts) = self.tokens.encode_literally(&text, &literal)?;
        Ok(from_parts(&ids, &starts, &parts))
    }

    /// The byte of the rendered text at which message `index` ends.
    fn message_end(&self, messages: &[Message], index: usize, rendered: &str) -> Result<usize> {
        let prefix = self.template.render(&messages[..=index], false, &self.tokens.texts)?;
        if !rendered.starts_with(&prefix) {
            return Err(ProcessorError::TemplateNotIncremental { message: index + 1 });
        }
        Ok(prefix.len())
    }

    /// The text of `ids`, with special tokens.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokens.decode(ids, false)
    }

    /// The text of a reply, without special and image tokens, a leading role, and outer white space.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn clean_reply(&self, ids: &[u32]) -> Result<String> {
        reply::clean(&self.tokens, &self.generation_prompt, ids)
    }

    /// The part of a reply's text that is final after its first tokens `ids`: the text of the whole
    /// reply ([`Self::clean_reply`]) begins with it.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn clean_reply_so_far(&self, ids: &[u32]) -> Result<String> {
        reply::clean_so_far(&self.tokens, &self.generation_prompt, ids)
    }
}

fn text_message(role: Role, text: &str) -> Message {
    Message { role, content: vec![Content::Text(text.to_owned())] }
}
