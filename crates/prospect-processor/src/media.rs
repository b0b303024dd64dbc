//! Messages with images and videos, and the text that stands for them.

use prospect_context::Role;

use crate::error::{ProcessorError, Result};
use crate::number::number_words;
use crate::split::Grid;
use crate::token_texts::TokenTexts;

/// A message of a one-shot prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The speaker.
    pub role: Role,
    /// Texts, images and videos in order.
    pub content: Vec<Content>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text, used verbatim.
    Text(String),
    /// An image, with the grid that [`Processor::image_pixels`](crate::Processor::image_pixels)
    /// returned for it.
    Image(Grid),
    /// A video.
    Video(VideoClip),
}

/// The times of a video's sampled frames.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoClip {
    /// Times in seconds, one per frame.
    pub timestamps: Vec<f64>,
    /// Length of the whole video in seconds. `None` stands for the time of the last frame.
    pub duration: Option<f64>,
}

/// The text of an image: its tiles row by row, then the global view.
pub(crate) fn image_text(grid: Grid, image_seq_len: usize, texts: &TokenTexts) -> String {
    let images = texts.image.repeat(image_seq_len);
    let (fake, global) = (&texts.fake, &texts.global);
    let mut text = String::new();
    for row in 1..=grid.rows {
        for col in 1..=grid.cols {
            text.push_str(&format!("{fake}<row_{row}_col_{col}>{images}"));
        }
        text.push('\n');
    }
    if grid.rows > 0 {
        text.push('\n');
    }
    text + &format!("{fake}{global}{images}{fake}")
}

/// The text of a video.
pub(crate) fn video_text(clip: &VideoClip, image_seq_len: usize, texts: &TokenTexts) -> Result<String> {
    let last = *clip.timestamps.last().ok_or(ProcessorError::EmptyVideo)?;
    let duration = whole_seconds(clip.duration.unwrap_or(last))?;
    let mut text = format!(
        "You are provided the following series of {} frames from a {} [H:MM:SS] video.\n",
        number_words(clip.timestamps.len()),
        clock(duration),
    );
    let image = image_text(Grid::default(), image_seq_len, texts);
    for &time in &clip.timestamps {
        text.push_str(&frame_text(time)?);
        text.push_str(&image);
    }
    Ok(text + "\n\n")
}

/// The line that announces a frame of a stream: as [`frame_text`] in its first hour, then with hours. A video of the published
/// form has minutes above 59 there, which no checkpoint has seen more than a few of, and which nobody reads as an hour.
pub(crate) fn stream_frame_text(time: f64) -> Result<String> {
    match whole_seconds(time)? {
        ..3600 => frame_text(time),
        seconds => {
            Ok(format!("\nFrame from {}:{:02}:{:02}:", seconds / 3600, seconds / 60 % 60, seconds % 60))
        }
    }
}

/// The line that gives a frame's time.
pub(crate) fn frame_text(time: f64) -> Result<String> {
    let seconds = whole_seconds(time)?;
    Ok(format!("\nFrame from {:02}:{:02}:", seconds / 60, seconds % 60))
}

fn whole_seconds(seconds: f64) -> Result<u64> {
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(ProcessorError::BadTime { seconds });
    }
    Ok(seconds as u64)
}

/// Formats seconds as Python prints a `timedelta`.
fn clock(seconds: u64) -> String {
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match days {
        0 => time,
        1 => format!("1 day, {time}"),
        _ => format!("{days} days, {time}"),
    }
}
