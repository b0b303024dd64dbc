//! The command lines of ffmpeg and ffprobe.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{InputOptions, MOST_PIXELS, SourceOptions};

/// The formats that contain their pictures. Playlists and lists of files are left out, so that a file that an
/// untrusted file names is not opened.
const SINGLE_FILES: &str = "3dostr,4xm,amv,apng,asf,asf_o,av1,avi,avs,avs2,avs3,bink,cavsvideo,cdxl,dirac,dnxhd,dv,dxa,ea,flic,flv,\
    gif,gxf,h261,h263,h264,hevc,ivf,ivr,kux,lmlm4,m4v,matroska,webm,mjpeg,mjpeg_2000,mov,mp4,mpeg,mpegts,mpegtsraw,mpegvideo,mpjpeg,\
    mtv,mv,mvi,mxf,nsv,nut,nuv,obu,ogg,pmp,r3d,rm,roq,rpl,smk,smjpeg,swf,thp,tmv,ty,vc1,vc1test,vivo,vmd,vvc,wc3movie,wtv,xmv,yop,\
    yuv4mpegpipe,bmp_pipe,dpx_pipe,exr_pipe,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,jpegxl_anim,pam_pipe,pbm_pipe,pcx_pipe,pgm_pipe,\
    png_pipe,ppm_pipe,psd_pipe,qoi_pipe,sgi_pipe,tiff_pipe,webp_pipe";
/// The network protocols. None of them leads to a file of this machine.
const NETWORK: &str = "http,https,httpproxy,tls,tcp,udp,udplite,rtp,srtp,srt,rtmp,rtmps,rtmpt,rtmpts,rtmpe,rtmpte,rtsp,rtsps,mmsh,mmst,\
    ftp,sftp,unix,crypto,data,hls,rist,zmq";

/// What ffmpeg opens. It decides what else ffmpeg may open.
#[derive(Debug, Clone)]
pub(crate) enum Opened<'a> {
    /// A file of this machine.
    File(&'a Path),
    /// An address on a network.
    Network(&'a str),
    /// A camera of this machine.
    Device(&'a str),
}

impl<'a> Opened<'a> {
    /// Classifies a source by its name. An existing file is a file, whatever its name looks like.
    pub(crate) fn of(spec: &'a str) -> Self {
        match spec {
            _ if spec.starts_with("/dev/video") => Self::Device(spec),
            _ if Path::new(spec).exists() || !spec.contains("://") => Self::File(Path::new(spec)),
            _ => Self::Network(spec),
        }
    }

    /// The argument behind `-i`. A file gets a name that can only be a file.
    pub(super) fn input(&self) -> Cow<'a, str> {
        match self {
            Self::File(path) => Cow::Owned(format!("file:{}", path.display())),
            Self::Network(address) => Cow::Borrowed(address),
            Self::Device(path) => Cow::Borrowed(path),
        }
    }

    /// The arguments that limit what may be opened. The user's own arguments come later and override them.
    fn limits(&self) -> &'static [&'static str] {
        match self {
            Self::File(_) => &["-protocol_whitelist", "file", "-format_whitelist", SINGLE_FILES],
            Self::Network(_) => &["-protocol_whitelist", NETWORK],
            Self::Device(_) => &["-f", "v4l2"],
        }
    }
}

/// Reads a part of a file, from the time `start + slot / fps` on, with at most `frames` frames. `fps` with
/// `round=up` puts the latest frame that is not after a slot into the slot, which is the rule of the other
/// sources.
///
/// The end of the part is given as a number of frames, because ffmpeg counts `-t` from the first frame if
/// nothing is skipped.
pub(super) fn of_file(
    opened: &Opened<'_>,
    options: SourceOptions,
    input: &InputOptions,
    (stream, origin, slot, frames): (Option<usize>, f64, usize, Option<usize>),
) -> Command {
    let mut command = begin(input);
    let skipped = (options.start - origin).max(0.0);
    if skipped > 0.0 {
        // The frame that is on the screen then has begun before: it is one of those that are wanted.
        command.args(["-noaccurate_seek", "-ss", &skipped.to_string()]);
    }
    command.args(opened.limits()).args(&input.ffmpeg_input);
    let first = options.start + slot as f64 / options.fps - origin - skipped;
    let filter = format!("setpts=PTS-{first:.6}/TB,fps=fps={}:round=up:start_time=0", options.fps);
    finish(command, opened, stream, &filter, frames)
}

/// Reads a stream from now on.
pub(super) fn of_stream(opened: &Opened<'_>, fps: f64, input: &InputOptions) -> Command {
    let mut command = begin(input);
    command.args(opened.limits()).args(&input.ffmpeg_input);
    finish(command, opened, None, &format!("fps=fps={fps}:round=up"), None)
}

/// Asks for the streams of a source, and for the properties of the whole source.
pub(super) fn of_streams(opened: &Opened<'_>, input: &InputOptions) -> Command {
    ffprobe(opened, input, &["-show_streams", "-show_format"])
}

/// Asks for the time stamps of a stream's first frames.
pub(super) fn of_frames(opened: &Opened<'_>, input: &InputOptions, stream: usize, packets: &str) -> Command {
    let stream = stream.to_string();
    let show = ["-select_streams", &stream, "-read_intervals", packets];
    let entries = ["-show_frames", "-show_entries", "frame=best_effort_timestamp_time"];
    ffprobe(opened, input, &[&show[..], &entries].concat())
}

fn ffprobe(opened: &Opened<'_>, input: &InputOptions, show: &[&str]) -> Command {
    let mut command = Command::new(ffprobe_beside(&input.ffmpeg));
    command.args(["-v", "error", "-of", "json"]).args(show);
    command.args(opened.limits()).args(of_both(&input.ffmpeg_input)).arg("-i").arg(&*opened.input());
    command
}

/// Arguments of ffmpeg that ffprobe does not know and that do not change what the source is: those with a
/// value, and those without.
const FFMPEG_ALONE: [&str; 27] = [
    "-autorotate",
    "-c",
    "-codec",
    "-discard",
    "-display_rotation",
    "-filter_hw_device",
    "-hwaccel",
    "-hwaccel_device",
    "-hwaccel_output_format",
    "-init_hw_device",
    "-isync",
    "-itsoffset",
    "-itsscale",
    "-pix_fmt",
    "-r",
    "-readrate",
    "-readrate_initial_burst",
    "-s",
    "-ss",
    "-sseof",
    "-stream_loop",
    "-t",
    "-thread_queue_size",
    "-threads",
    "-to",
    "-vcodec",
    "-vsync",
];
const FFMPEG_ALONE_WITHOUT_VALUE: [&str; 8] =
    ["-accurate_seek", "-an", "-copyts", "-dn", "-noaccurate_seek", "-noautorotate", "-re", "-sn"];

/// The user's arguments that ffprobe also knows.
fn of_both(arguments: &[String]) -> Vec<&String> {
    let (mut both, mut rest) = (Vec::new(), arguments.iter());
    while let Some(argument) = rest.next() {
        // Behind a colon stands the stream that is meant.
        let name = argument.split(':').next().unwrap_or_default();
        if FFMPEG_ALONE.contains(&name) {
            rest.next();
        } else if !FFMPEG_ALONE_WITHOUT_VALUE.contains(&name) {
            both.push(argument);
        }
    }
    both
}

/// The ffprobe that belongs to an ffmpeg: it has the same folder, version and file extension.
pub(super) fn ffprobe_beside(ffmpeg: &Path) -> PathBuf {
    let name = ffmpeg.file_name().unwrap_or_default().to_string_lossy();
    match name.rfind("ffmpeg") {
        Some(at) => ffmpeg.with_file_name(format!("{}ffprobe{}", &name[..at], &name[at + 6..])),
        None => ffmpeg.with_file_name("ffprobe"),
    }
}

fn begin(input: &InputOptions) -> Command {
    let mut command = Command::new(&input.ffmpeg);
    command.args(["-v", "error", "-nostdin", "-max_pixels", &MOST_PIXELS.to_string()]);
    command
}

fn finish(
    mut command: Command,
    opened: &Opened<'_>,
    stream: Option<usize>,
    filter: &str,
    frames: Option<usize>,
) -> Command {
    let stream = stream.map_or("0:v:0".to_owned(), |stream| format!("0:{stream}"));
    // Else what is cropped on the left is only cropped to where a register begins.
    command.args(["-flags", "unaligned", "-i"]).arg(&*opened.input()).args(["-map", &stream, "-an", "-sn"]);
    command.args(["-vf", filter]);
    if let Some(most) = frames {
        command.args(["-frames:v", &most.to_string()]);
    }
    // 8 bits of red, green and blue, whatever the video has.
    command.args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &Command) -> String {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words
            .join(" ")
            .replace(SINGLE_FILES, "SINGLE")
            .replace(NETWORK, "NETWORK")
            .replace(&format!(" -max_pixels {MOST_PIXELS}"), "")
    }

    #[test]
    fn the_users_arguments_stand_behind_ours_and_before_the_input() {
        let input =
            InputOptions { ffmpeg_input: vec!["-rtsp_transport".into(), "tcp".into()], ..Default::default() };
        let options = SourceOptions { fps: 2.0, start: 1.5, end: Some(4.0), max_frames: Some(9) };
        let file = Opened::of("a.mkv");
        assert_eq!(
            line(&of_file(&file, options, &input, (Some(2), 0.0, 0, Some(5)))),
            "-v error -nostdin -noaccurate_seek -ss 1.5 -protocol_whitelist file -format_whitelist SINGLE -rtsp_transport tcp -flags unaligned -i file:a.mkv -map 0:2 -an -sn \
             -vf setpts=PTS-0.000000/TB,fps=fps=2:round=up:start_time=0 -frames:v 5 -f image2pipe -c:v ppm -pix_fmt rgb24 -"
        );
        // A file that begins at 1.6 s, before which there is nothing to skip.
        let none = InputOptions::default();
        assert!(line(&of_file(&file, options, &none, (None, 1.6, 1, None))).contains(
            "-nostdin -protocol_whitelist file -format_whitelist SINGLE -flags unaligned -i file:a.mkv -map 0:v:0 -an -sn -vf setpts=PTS-0.400000/TB,"
        ));
        assert_eq!(
            line(&of_stream(&Opened::of("/dev/video0"), 0.5, &none)),
            "-v error -nostdin -f v4l2 -flags unaligned -i /dev/video0 -map 0:v:0 -an -sn -vf fps=fps=0.5:round=up -f image2pipe -c:v ppm -pix_fmt rgb24 -"
        );
        assert!(line(&of_streams(&Opened::of("http://a/b.mp4"), &input)).ends_with(
            "-show_streams -show_format -protocol_whitelist NETWORK -rtsp_transport tcp -i http://a/b.mp4"
        ));
    }

    #[test]
    fn ffprobe_gets_what_it_knows() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let input = words("-re -rtsp_transport tcp -hwaccel auto -c:v hevc -probesize 5000 -ss 3");
        let both: Vec<&str> = of_both(&input).into_iter().map(String::as_str).collect();
        assert_eq!(both, ["-rtsp_transport", "tcp", "-probesize", "5000"]);
    }

    #[test]
    fn a_name_with_a_colon_is_a_files() {
        for name in ["2026-11-28T12:30:05Z.webm", "http:x", "-i.mkv"] {
            assert_eq!(Opened::of(name).input(), format!("file:{name}"));
        }
    }

    #[test]
    fn ffprobe_comes_with_its_ffmpeg() {
        for (ffmpeg, ffprobe) in [
            ("ffmpeg", "ffprobe"),
            ("/opt/ffmpeg/bin/ffmpeg", "/opt/ffmpeg/bin/ffprobe"),
            ("C/ffmpeg-6.exe", "C/ffprobe-6.exe"),
            ("/a/avconv", "/a/ffprobe"),
        ] {
            assert_eq!(ffprobe_beside(Path::new(ffmpeg)), Path::new(ffprobe));
        }
    }
}
