//! `examples/embed.rs` hears what `run` hears.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "../examples/embed.rs"]
#[allow(dead_code, reason = "its main belongs to the binary")]
mod example;

use prospect_config::{Layers, WORKBENCH_CONFIG};
use prospect_session::Event;

#[test]
fn a_stream_in_a_program_of_ones_own_says_what_run_says() {
    let mut heard = Vec::new();
    let video = common::workbench().join("videos/video_001.mp4").display().to_string();
    example::stream(&video, |time, text| heard.push((time, text.to_owned()))).unwrap();
    let settings = Layers::new().file_text("workbench.toml".as_ref(), WORKBENCH_CONFIG).unwrap().resolve();
    let replies =
        common::stream(&settings.unwrap(), video.as_ref()).into_iter().filter_map(|event| match event {
            Event::Reply { time, text, .. } => Some((time, text)),
            _ => None,
        });
    assert!(!heard.is_empty());
    assert_eq!(heard, replies.collect::<Vec<_>>());
}
