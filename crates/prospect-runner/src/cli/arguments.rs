//! The arguments as written.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use prospect_config::{Layers, Settings};

use super::common::{ModelArguments, StreamArguments, VideoArguments};
use super::examples;
use super::formats::format;
use super::results::ResultArguments;
use crate::error::RunError;
use crate::suite::Shard;
use crate::version::long_version;
use prospect_evaluation::annotations::Format;

/// Watches a video as it happens and speaks when it helps.
#[derive(Debug, Parser)]
#[command(
    name = "prospect-runner",
    version = crate::VERSION,
    long_version = long_version(),
    about,
    after_long_help = examples::PROGRAM
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) verbosity: VerbosityArguments,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How much every command writes to standard error.
#[derive(Debug, Args)]
pub(super) struct VerbosityArguments {
    /// Write more to standard error: with -v also models and evictions, with -vv also every frame.
    /// PROSPECT_LOG=debug does the same as -v.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Messages")]
    pub(super) verbose: u8,
    /// Write less to standard error: with -q no notes and no progress, with -qq no warnings either.
    /// PROSPECT_LOG=warn does the same as -q.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Messages")]
    pub(super) quiet: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Stream one video; without SOURCE, the small video of the repository.
    #[command(after_long_help = examples::RUN)]
    Run(RunArguments),
    /// Serve live sessions over HTTP and WebSocket, and a page that uses a webcam.
    #[cfg(feature = "serve")]
    #[command(after_long_help = examples::SERVE)]
    Serve(Box<ServeArguments>),
    /// Answer one prompt about images or a video.
    #[command(after_long_help = examples::GENERATE)]
    Generate(GenerateArguments),
    /// Run the same videos under several strategies, and write tables and a report.
    #[command(after_long_help = examples::COMPARE)]
    Compare(CompareArguments),
    /// Run a dataset under the strategy of the settings. Started again, it runs what is missing.
    #[command(after_long_help = examples::EVAL)]
    Eval(EvalArguments),
    /// What other strategies would have kept of a run's stream, from its trace and without a model.
    #[command(after_long_help = examples::SIMULATE)]
    Simulate(SimulateArguments),
    /// Make a page of a run, from its trace.
    #[command(after_long_help = examples::REPORT)]
    Report(ReportArguments),
    /// Join the results of several shards.
    #[command(after_long_help = examples::MERGE)]
    Merge(MergeArguments),
    /// Measure every stage at a published size with random weights. Nothing is downloaded.
    #[command(after_long_help = examples::BENCH)]
    Bench(BenchArguments),
    /// Download a checkpoint from the hub into its cache. Started again, it resumes the download.
    #[command(after_long_help = examples::DOWNLOAD)]
    Download(DownloadArguments),
    /// Compare the device and type of the settings with f32 on the CPU, over a video.
    #[command(after_long_help = examples::PARITY)]
    Parity(ParityArguments),
    /// Show a checkpoint's shapes, its parameters and the memory of its cache.
    #[command(after_long_help = examples::INSPECT)]
    Inspect(InspectArguments),
    /// Write an annotation file in another format.
    #[command(after_long_help = examples::CONVERT)]
    Convert(ConvertArguments),
    /// Show what this machine and this build offer: instructions, threads, memory, ffmpeg, GPU, the hub's
    /// cache.
    #[command(after_long_help = examples::DOCTOR)]
    Doctor,
    /// Write a completion script for a shell to standard output.
    #[command(after_long_help = examples::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write a manual page for the program and one for each command.
    #[command(after_long_help = examples::MAN)]
    Man {
        /// Folder for the pages. It is made if it does not exist; pages of the same name are replaced.
        folder: PathBuf,
    },
}

#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Address to listen on. An address that other machines can reach needs --api-key-file or --insecure.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8642")]
    pub(super) listen: std::net::SocketAddr,
    /// File of the accepted keys, one per line. Clients send one as `Authorization: Bearer KEY`.
    #[arg(long, value_name = "FILE", help_heading = "Who may come in")]
    pub(super) api_key_file: Option<PathBuf>,
    /// Accept every client that can reach the server.
    #[arg(long, help_heading = "Who may come in")]
    pub(super) insecure: bool,
    /// Origin of another web page that may use the server, `https://host:port`. May be given more than once.
    #[arg(long, value_name = "ORIGIN", help_heading = "Who may come in")]
    pub(super) allow_origin: Vec<String>,
    /// A camera that sessions may watch by its name; SOURCE is what `run` takes. May be given more than once.
    #[arg(long = "camera", value_name = "NAME=SOURCE", value_parser = named_camera, help_heading = "What is watched")]
    pub(super) cameras: Vec<(String, String)>,
    /// Sources that requests may name: `rtsp://10.0.0.0/8`, `rtsp://cam-*.local`, `/dev/video*`,
    /// `/srv/videos/`. Default: none. May be given more than once.
    #[arg(long, value_name = "PATTERN", help_heading = "What is watched")]
    pub(super) allow_source: Vec<String>,
    /// Fetch pictures and videos of conversations from the internet.
    #[arg(long, help_heading = "What is watched")]
    pub(super) fetch: bool,
    /// Folder in which sessions are saved. A server that is started again resumes the sessions in it.
    #[arg(long, value_name = "FOLDER", default_value = "out/serve", help_heading = "Sessions")]
    pub(super) state: PathBuf,
    /// Number of frames between two savings of a session.
    #[arg(long, value_name = "FRAMES", default_value = "60", help_heading = "Sessions")]
    pub(super) checkpoint_every: NonZeroUsize,
    /// The most bytes of the caches of all sessions together. A session that would exceed them is refused.
    #[arg(long, value_name = "BYTES", help_heading = "Sessions")]
    pub(super) cache_memory: Option<u64>,
    /// The most sessions at a time.
    #[arg(long, value_name = "SESSIONS", default_value_t = 64, help_heading = "Sessions")]
    pub(super) max_sessions: usize,
    /// The most sessions of one key at a time. Default: half of --max-sessions if there are several keys.
    #[arg(long, value_name = "SESSIONS", requires = "api_key_file", help_heading = "Sessions")]
    pub(super) max_sessions_per_key: Option<usize>,
    /// Write the log as lines of JSON.
    #[arg(long)]
    pub(super) log_json: bool,
    #[command(flatten)]
    pub(super) tls: super::tls::TlsArguments,
    #[command(flatten)]
    pub(super) notify: super::notify::NotifyArguments,
    #[command(flatten)]
    pub(super) common: StreamArguments,
}

/// `NAME=SOURCE`.
#[cfg(feature = "serve")]
fn named_camera(text: &str) -> Result<(String, String), String> {
    let named = text.split_once('=').filter(|(name, source)| !name.trim().is_empty() && !source.is_empty());
    let (name, source) = named.ok_or("expected NAME=SOURCE")?;
    Ok((name.trim().to_owned(), source.to_owned()))
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Video file, folder or glob of images, animated GIF or WebP, `-` for JPEG or PNG images or raw y4m
    /// frames on standard input, or what ffmpeg opens: other files, rtsp:// and http:// streams, /dev/video0.
    pub(super) source: Option<String>,
    /// File of lines that are said to the stream, or a FIFO that is read until the stream ends. Without it,
    /// lines come from the keyboard, if there is one.
    #[arg(long, value_name = "FILE", help_heading = "What is said")]
    pub(super) ask_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) keeping: KeepingArguments,
    #[command(flatten)]
    pub(super) results: ResultArguments,
    #[command(flatten)]
    pub(super) common: VideoArguments,
}

/// How a stream outlives its process. These are not settings, because the trace is the same without them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Interrupt and go on")]
pub(super) struct KeepingArguments {
    /// Save the stream to this file at intervals and at Ctrl-C, so that --resume can continue it.
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Option<PathBuf>,
    /// Number of frames between two savings.
    #[arg(long, value_name = "FRAMES", default_value = "120", requires = "checkpoint")]
    pub(super) checkpoint_every: NonZeroUsize,
    /// Continue the stream of --checkpoint FILE. It must have the same source, model and settings.
    #[arg(long, requires = "checkpoint")]
    pub(super) resume: bool,
    /// Start from the beginning and replace what exists: the stream in --checkpoint FILE, the run in --out
    /// FOLDER, and files that this run writes.
    #[arg(long, conflicts_with = "resume")]
    pub(super) overwrite: bool,
}

#[derive(Debug, Args)]
pub(super) struct ParityArguments {
    /// A source as for `run`; without it, the small video of the repository.
    pub(super) source: Option<String>,
    /// Use random weights at the shape 256m, 500m, 2.2b or small, without a checkpoint and a video.
    #[arg(long, conflicts_with_all = ["source", "model"])]
    pub(super) shape: Option<String>,
    /// JSON on standard output.
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) common: ModelArguments,
}

#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    /// Images, in order.
    #[arg(long, num_args = 1.., conflicts_with = "video")]
    pub(super) image: Vec<String>,
    /// A video, sampled to stream.fps.
    #[arg(long)]
    pub(super) video: Option<String>,
    /// What to ask.
    #[arg(long)]
    pub(super) prompt: String,
    /// JSON on standard output.
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) common: ModelArguments,
}

#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// Videos with annotations beside them, folders of such videos, or manifests (.txt, a video a line).
    #[arg(required = true)]
    pub(super) sources: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) suite: SuiteArguments,
    #[command(flatten)]
    pub(super) common: VideoArguments,
}

#[derive(Debug, Args)]
pub(super) struct EvalArguments {
    /// Folder of videos with annotations beside them, or a manifest (.txt, a video a line).
    pub(super) dataset: PathBuf,
    #[command(flatten)]
    pub(super) suite: SuiteArguments,
    #[command(flatten)]
    pub(super) common: VideoArguments,
}

/// The arguments of commands that run many videos.
#[derive(Debug, Args)]
#[command(next_help_heading = "Runs")]
pub(super) struct SuiteArguments {
    /// Strategies, comma-separated. NAME:POSITIONS sets the position policy; `sanity` replays the references
    /// as replies. Default: all strategies for compare, the strategy of the settings for eval.
    #[arg(long, value_delimiter = ',')]
    pub(super) strategies: Vec<String>,
    /// Do only this part of the runs; INDEX counts from 0. Default: the part that Slurm or Kubernetes assigns
    /// to this process, or all runs.
    #[arg(long, value_name = "INDEX/COUNT")]
    pub(super) shard: Option<Shard>,
    /// Save every video's stream after this number of frames, and at Ctrl-C or SIGTERM, so that the same
    /// command continues in the middle of a video.
    #[arg(long, value_name = "FRAMES")]
    pub(super) checkpoint_every: Option<NonZeroUsize>,
    /// Replace results in the folder that were made with other settings, another model or another program.
    #[arg(long)]
    pub(super) overwrite: bool,
    /// The strategy that the others are compared with. Default: unlimited if it is among them, else the
    /// first.
    #[arg(long, value_name = "STRATEGY")]
    pub(super) baseline: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// `trace.jsonl` of a run, or its folder.
    pub(super) trace: PathBuf,
    /// Strategies besides the run's own, named as for compare. They use the settings of the run.
    #[arg(long, value_delimiter = ',')]
    pub(super) strategies: Vec<String>,
    /// Settings file of the run, for the parameters of the other strategies.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Any setting, over those of the run; may be given more than once.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(super) settings: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// `trace.jsonl` of a run, or its folder. The page is written beside it.
    pub(super) trace: PathBuf,
    /// The video, if it is no longer at the path in the trace.
    #[arg(long, value_name = "FILE")]
    pub(super) video: Option<PathBuf>,
    /// The annotation file with the references. Default: the annotations beside the video, if there are any.
    #[arg(long, value_name = "FILE")]
    pub(super) annotations: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct MergeArguments {
    /// Folders of one suite that compare or eval wrote.
    #[arg(required = true)]
    pub(super) folders: Vec<PathBuf>,
    /// Folder of the report. Default: the first folder.
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: Option<PathBuf>,
    /// JSON on standard output.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct BenchArguments {
    /// 256m, 500m, 2.2b, or small: the size of the model of the repository.
    #[arg(long, default_value = "256m")]
    pub(super) shape: String,
    /// Cache lengths in tokens, comma-separated.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1024, 4096, 8192])]
    pub(super) cache: Vec<usize>,
    /// Also measure frames per second, silent and with replies.
    #[arg(long)]
    pub(super) stream: bool,
    /// Also measure evictions, of every strategy under every position policy.
    #[arg(long)]
    pub(super) evictions: bool,
    /// Measure only this many streams at once on one copy of the weights, comma-separated.
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', conflicts_with_all = ["stream", "evictions", "soak"])]
    pub(super) streams: Vec<usize>,
    /// Only run one stream at full speed for this many seconds, and report its memory.
    #[arg(long, value_name = "SECONDS")]
    pub(super) soak: Option<u64>,
    /// Runs per stage, of which the median is taken.
    #[arg(long, default_value_t = 7)]
    pub(super) repeats: usize,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long)]
    device: Option<String>,
    /// auto, f32, bf16 or f16.
    #[arg(long)]
    dtype: Option<String>,
    /// none, q8 or auto.
    #[arg(long)]
    quantize: Option<String>,
    /// A setting of the section model; may be given more than once.
    #[arg(long = "set", value_name = "MODEL.KEY=VALUE")]
    settings: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl BenchArguments {
    /// The settings of the model.
    pub(super) fn settings(&self) -> Result<Settings, RunError> {
        let mut layers = Layers::new();
        for set in &self.settings {
            layers = layers.set(set)?;
        }
        let flags = [
            ("--device", "model.device", &self.device),
            ("--dtype", "model.dtype", &self.dtype),
            ("--quantize", "model.quantize", &self.quantize),
        ];
        for (flag, key, value) in flags {
            if let Some(value) = value {
                layers = layers.flag(flag, key, value)?;
            }
        }
        Ok(layers.resolve()?)
    }
}

#[derive(Debug, Args)]
pub(super) struct DownloadArguments {
    /// 256m, 500m or 2.2b, or a hub id: OWNER/NAME, or OWNER/NAME@REVISION with a branch, a tag or a commit.
    pub(super) model: String,
}

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// 256m, 500m or 2.2b, a checkpoint folder, a GGUF file with its mmproj beside it, or a hub id. Default:
    /// the small model of the repository.
    pub(super) model: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ConvertArguments {
    /// Annotation file of any format.
    pub(super) file: PathBuf,
    /// The format to write.
    #[arg(long = "to", value_name = "FORMAT", value_parser = format())]
    pub(super) format: Format,
    /// File to write. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Read the video with this video_uid from a ProAssist file with several videos.
    #[arg(long, value_name = "VIDEO_UID")]
    pub(super) video: Option<String>,
    /// Read the first conversation of this type (no_talk, talk_some or talk_more) from a ProAssist video with
    /// several. Default: the first of all.
    #[arg(long, value_name = "TYPE")]
    pub(super) user_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployed(file: &str) -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/deploy");
        std::fs::read_to_string(folder.join(file)).unwrap()
    }

    /// Parses the words as the program would, which knows its options and what each takes.
    fn assert_parses(file: &str, words: &[&str]) {
        assert!(words.len() > 1, "{file}: no command");
        let parsed = Arguments::try_parse_from(words);
        assert!(parsed.is_ok(), "{file}: {words:?}: {}", parsed.unwrap_err());
    }

    /// What both files say in their heads is to be run beside the job.
    fn assert_told_commands_parse(file: &str, text: &str) {
        let told: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("#   prospect-runner ")).collect();
        assert!(!told.is_empty(), "{file}");
        for command in told {
            let command = command.split('#').next().unwrap_or_default();
            let words: Vec<&str> =
                ["prospect-runner"].into_iter().chain(command.split_whitespace()).collect();
            assert_parses(file, &words);
        }
    }

    #[test]
    fn the_job_for_slurm_calls_the_program_as_it_is() {
        let (file, text) = ("slurm/eval.sbatch", deployed("slurm/eval.sbatch"));
        // Behind the program's name, which is a variable; the last word stands for whatever the user adds.
        let (_, command) = text.split_once("${PROSPECT:-prospect-runner}\" ").unwrap();
        let (command, _) = command.split_once(" \"$@\"").unwrap();
        let words = ["prospect-runner"].into_iter().chain(command.split_whitespace());
        assert_parses(file, &words.collect::<Vec<_>>());
        assert_told_commands_parse(file, &text);
    }

    #[test]
    fn the_job_for_kubernetes_calls_the_program_as_it_is() {
        let (file, text) = ("kubernetes/eval.yaml", deployed("kubernetes/eval.yaml"));
        let command = text.lines().find_map(|line| line.trim().strip_prefix("command: ")).unwrap();
        let words: Vec<String> = serde_json::from_str(command).unwrap();
        assert_parses(file, &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_told_commands_parse(file, &text);
    }
}
