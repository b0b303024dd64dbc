//! Writes frames as H.264 in an MP4 file, with OpenH264 and `muxide`.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use muxide::api::{MuxerBuilder, VideoCodec};
use openh264::OpenH264API;
use openh264::encoder::{BitRate, Encoder, EncoderConfig, IntraFramePeriod, QpRange, RateControlMode};
use openh264::formats::{RgbSliceU8, YUVBuffer};
use thiserror::Error;

use super::render::SIZE;
use super::script::FPS;

/// What a video shows.
pub(crate) trait Footage {
    /// The number of frames.
    fn frames(&self) -> usize;
    /// One frame as rows of RGB bytes.
    fn frame(&self, index: usize) -> Vec<u8>;
}

/// Why a video could not be written.
#[derive(Debug, Error)]
pub(crate) enum VideoError {
    /// The file could not be written.
    #[error("cannot write the video: {0}")]
    Io(#[from] std::io::Error),
    /// The encoder failed.
    #[error("cannot encode the video as H.264: {0}")]
    Encode(#[from] openh264::Error),
    /// The container writer failed.
    #[error("cannot pack the video as MP4: {0}")]
    Mux(#[from] muxide::api::MuxerError),
}

/// Writes all frames to `path`.
pub(crate) fn write(footage: &dyn Footage, path: &Path) -> Result<(), VideoError> {
    let config = EncoderConfig::new()
        .rate_control_mode(RateControlMode::Off)
        .bitrate(BitRate::from_bps(400_000))
        .qp(QpRange::new(20, 24))
        .skip_frames(false)
        .num_threads(1)
        .intra_frame_period(IntraFramePeriod::from_num_frames(30));
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
    let file = BufWriter::new(File::create(path)?);
    let mut muxer = MuxerBuilder::new(file).video(VideoCodec::H264, SIZE as u32, SIZE as u32, FPS).build()?;
    for index in 0..footage.frames() {
        let rgb = footage.frame(index);
        let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(&rgb, (SIZE, SIZE)));
        let stream = encoder.encode(&yuv)?;
        let key = matches!(stream.frame_type(), openh264::encoder::FrameType::IDR);
        muxer.write_video(index as f64 / FPS, &stream.to_vec(), key)?;
    }
    muxer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::script::{Kind, Script};
    use super::*;

    #[test]
    fn a_reader_finds_every_frame_at_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("video.mp4");
        let script = Script::new(11, Kind::Plain);
        write(&script, &path).unwrap();
        let video = re_mp4::Mp4::read_bytes(&std::fs::read(&path).unwrap()).unwrap();
        let track = video.tracks().values().next().unwrap();
        assert_eq!(track.samples.len(), script.frames.len());
        for (index, sample) in track.samples.iter().enumerate() {
            let seconds = sample.composition_timestamp as f64 / sample.timescale as f64;
            assert!((seconds - index as f64 / FPS).abs() < 1e-3, "frame {index} at {seconds}");
        }
    }
}
