//! The texts, pictures and videos of messages. They stand in the message itself, or are fetched where the server does that.

use std::sync::Arc;

use image::RgbImage;
use tokio::time::Instant;

use super::super::frames::decoded_aside;
use super::super::sessions::aside;
use super::request::{AskedMessage, AskedPart};
use crate::backend::{ChatPart, ChatVideo};
use crate::data_address::bytes_of;
use crate::error::ApiError;
use crate::guard::Limits;
use crate::order::check_text;
use crate::picture::pixels_of;
use crate::state::Shared;
use crate::video::frames_of;

/// What becomes of the pictures of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The model sees them all at once, as parts of one conversation.
    AtOnce,
    /// They become frames of a session, one after the other.
    AsFrames,
}

/// Reads the parts of a request's messages, and counts their pictures and pixels.
pub(super) struct Media<'a> {
    state: &'a Shared,
    shown: Shown,
    until: Instant,
    pictures: usize,
    /// Pixels of the pictures that are kept until the answer.
    pixels: u64,
}

impl<'a> Media<'a> {
    /// For one request, which is answered until then.
    pub(super) fn new(state: &'a Shared, shown: Shown, until: Instant) -> Self {
        Self { state, shown, until, pictures: 0, pixels: 0 }
    }

    /// The parts of a message.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub(super) async fn parts(&mut self, message: AskedMessage) -> Result<Vec<ChatPart>, ApiError> {
        let mut parts = Vec::new();
        for part in message.into_parts() {
            parts.push(self.part(part).await?);
        }
        Ok(parts)
    }

    /// One part.
    ///
    /// # Errors
    /// What cannot be read or fetched, or is too much.
    pub(super) async fn part(&mut self, part: AskedPart) -> Result<ChatPart, ApiError> {
        match part {
            AskedPart::Text { text } => {
                check_text(&text, &self.state.limits)?;
                Ok(ChatPart::Text(text))
            }
            AskedPart::ImageUrl { image_url } => {
                self.count(1)?;
                let bytes = self.bytes("image_url", image_url.into_address()).await?;
                let picture = decoded_aside(self.state, bytes.into(), self.until).await?;
                self.hold(pixels_of(&picture))?;
                Ok(ChatPart::Image(picture))
            }
            AskedPart::VideoUrl { video_url } => {
                let bytes = self.bytes("video_url", video_url.into_address()).await?;
                let video = self.video(bytes).await?;
                self.count(video.frames.len())?;
                self.hold(video.frames.iter().map(|(_, frame)| pixels_of(frame)).sum())?;
                Ok(ChatPart::Video(video))
            }
        }
    }

    /// # Errors
    /// More pictures in a request than there may be.
    fn count(&mut self, pictures: usize) -> Result<(), ApiError> {
        self.pictures += pictures;
        let most = self.state.limits.frames_a_request;
        match self.pictures > most {
            true => Err(ApiError::too_large(format!("more than {most} images in one request"))),
            false => Ok(()),
        }
    }

    /// # Errors
    /// More pixels in a request than there may be. Pictures that become frames are not kept.
    fn hold(&mut self, pixels: u64) -> Result<(), ApiError> {
        let most = self.state.limits.pixels_a_request;
        self.pixels += if self.shown == Shown::AtOnce { pixels } else { 0 };
        match self.pixels > most {
            true => Err(ApiError::too_large(format!("more than {most} pixels of images in one request"))),
            false => Ok(()),
        }
    }

    async fn video(&self, bytes: Vec<u8>) -> Result<ChatVideo, ApiError> {
        let turn = self.state.picture_turn(self.until, "too many videos wait to be decoded").await?;
        let fps = self.state.backend.about().fps;
        // Of a request's pictures the video's are as many as are left.
        let left = self.state.limits.frames_a_request.saturating_sub(self.pictures);
        let (limits, until) = (Limits { frames_a_request: left, ..self.state.limits }, self.until.into_std());
        let (backend, shown) = (Arc::clone(&self.state.backend), self.shown);
        let keep = move |frame: Arc<RgbImage>| match shown {
            Shown::AtOnce => Ok(backend.video_frame(&frame).map(Arc::new)?),
            Shown::AsFrames => Ok(frame),
        };
        let video = aside(move || frames_of(&bytes, fps, &limits, until, keep)).await;
        drop(turn);
        video
    }

    /// The bytes in an address, or behind it where the server fetches.
    /// `key` is the part that has the address.
    async fn bytes(&self, key: &str, address: String) -> Result<Vec<u8>, ApiError> {
        match &self.state.fetcher {
            Some(fetcher) if !address.starts_with("data:") => {
                let (fetcher, until) = (Arc::clone(fetcher), self.until.into_std());
                let most = self.state.limits.body_bytes;
                aside(move || fetcher.fetch(&address, most, until)).await
            }
            _ => bytes_of(key, &address),
        }
    }
}
