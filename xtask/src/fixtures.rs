//! `cargo xtask fixtures`: renders workbench videos, or writes a random checkpoint of a published size.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::command::step;
use crate::memory::annotations::annotations;
use crate::memory::script::{Calm, Script as MemoryScript};
use crate::memory::training::TrainingScript as MemoryTrainingScript;
use crate::workbench::annotations::Annotations;
use crate::workbench::render;
use crate::workbench::script::{Kind, Script};
use crate::workbench::seeds;
use crate::workbench::video::{self, Footage};

/// The folder of the committed checkpoints.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");
/// Number of frames of the one-hour stream.
const HOUR: usize = 7200;
/// Fewest frames of a training video with several rounds.
const TRAINING_ROUNDS: usize = 160;

/// A task with a small trained checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// The assistant guides the work.
    Workbench,
    /// A person also asks about what was seen long ago.
    Memory,
}

impl Family {
    /// The weights of the committed checkpoint.
    fn model(self) -> PathBuf {
        Path::new(FIXTURES).join(self.name()).join("model.safetensors")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Workbench => "workbench",
            Self::Memory => "memory",
        }
    }
}

/// Renders videos of a task with annotations, or writes a checkpoint of random weights at a published size.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The task.
    #[arg(long, value_enum, default_value = "workbench")]
    family: Family,
    /// Folder to write to; without it `out/FAMILY`, or `out/random-SIZE`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a checkpoint of random weights instead: 256m, 500m or 2.2b.
    #[arg(long, value_name = "SIZE")]
    random: Option<String>,
    /// The weights whose bytes give the evaluation seeds; without it those of the committed checkpoint.
    #[arg(long)]
    model: Option<PathBuf>,
    /// How many evaluation videos.
    #[arg(long, default_value_t = 60)]
    count: usize,
    /// Recipes that repeat parts (workbench).
    #[arg(long)]
    repeats: bool,
    /// Write folders of PNG files (lossless) instead of MP4.
    #[arg(long)]
    png: bool,
    /// One stream of an hour instead of evaluation videos (workbench).
    #[arg(long)]
    hour: bool,
    /// Render exactly this seed instead of the evaluation seeds.
    #[arg(long)]
    seed: Option<u64>,
    /// Dump raw frames and states of `--seeds` for the training script.
    #[arg(long, requires = "seeds")]
    dump_training: Option<PathBuf>,
    /// Training seeds, `FIRST..END`; of every four of the workbench, one repeats parts, one has several rounds.
    #[arg(long, value_parser = parse_seeds)]
    seeds: Option<(u64, u64)>,
}

fn parse_seeds(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("expected FIRST..END with FIRST < END <= {}, got {text:?}", seeds::TRAINING_SEEDS);
    let (first, end) = text.split_once("..").ok_or_else(wrong)?;
    let (first, end) = (first.parse().map_err(|_| wrong())?, end.parse().map_err(|_| wrong())?);
    if first < end && end <= seeds::TRAINING_SEEDS { Ok((first, end)) } else { Err(wrong()) }
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let family = arguments.family;
    if family == Family::Memory && (arguments.repeats || arguments.hour) {
        return Err("--repeats and --hour are for the family workbench".to_owned());
    }
    if let (Some(folder), Some(range)) = (&arguments.dump_training, arguments.seeds) {
        return dump_training(family, folder, range);
    }
    if let Some(size) = &arguments.random {
        let out = arguments.out.clone().unwrap_or_else(|| format!("out/random-{size}").into());
        return random_checkpoint(size, &out);
    }
    let (kind, name) = match (arguments.hour, arguments.repeats) {
        (true, _) => (Kind::Long(HOUR), "hour"),
        (false, true) => (Kind::Repeats, "repeats"),
        (false, false) => (Kind::Plain, "video"),
    };
    let model = arguments.model.clone().unwrap_or_else(|| family.model());
    let chosen = match arguments.seed {
        Some(seed) => vec![seed],
        None => evaluation_seeds(&model, if arguments.hour { 1 } else { arguments.count })?,
    };
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("out").join(family.name()));
    write_videos(&chosen, name, &out, arguments.png, |seed| match family {
        Family::Workbench => workbench_film(seed, kind),
        Family::Memory => memory_film(seed),
    })
}

/// Calls an example of the runner, because xtask does not know the model's tensors.
fn random_checkpoint(size: &str, out: &Path) -> Result<(), String> {
    let out = std::path::absolute(out).map_err(|error| at(out, &error))?.display().to_string();
    let example =
        ["run", "--release", "-p", "prospect-runner", "--example", "random_checkpoint", "--", size, &out];
    step("random checkpoint", "cargo", &example, &[])
}

/// Renders the first `count` evaluation videos of the committed checkpoint into `folder`.
pub(crate) fn evaluation_videos(folder: &Path, count: usize) -> Result<(), String> {
    let chosen = evaluation_seeds(&Family::Workbench.model(), count)?;
    write_videos(&chosen, "video", folder, false, |seed| workbench_film(seed, Kind::Plain))
}

/// A video and its annotations.
type Film = (Box<dyn Footage>, Annotations);

fn workbench_film(seed: u64, kind: Kind) -> Film {
    let script = Script::new(seed, kind);
    let annotations = Annotations::of_script(&script);
    (Box::new(script), annotations)
}

fn memory_film(seed: u64) -> Film {
    let script = MemoryScript::new(seed, Calm::Streaming);
    let annotations = annotations(&script);
    (Box::new(script), annotations)
}

fn write_videos(
    seeds: &[u64],
    name: &str,
    folder: &Path,
    png: bool,
    film: impl Fn(u64) -> Film,
) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    for (number, seed) in seeds.iter().enumerate() {
        write_video(&film(*seed), &folder.join(format!("{name}_{number:03}")), png)?;
    }
    Ok(())
}

fn evaluation_seeds(model: &Path, count: usize) -> Result<Vec<u64>, String> {
    let weights = fs::read(model).map_err(|error| at(model, &error))?;
    Ok(seeds::evaluation_seeds(&weights, count))
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// Writes a video and, beside it, its annotations.
fn write_video((footage, annotations): &Film, stem: &Path, png: bool) -> Result<(), String> {
    if png {
        fs::create_dir_all(stem).map_err(|error| at(stem, &error))?;
        for index in 0..footage.frames() {
            let file = stem.join(format!("{index:05}.png"));
            let (size, pixels) = (render::SIZE as u32, footage.frame(index));
            image::save_buffer(&file, &pixels, size, size, image::ColorType::Rgb8)
                .map_err(|error| at(&file, &error))?;
        }
    } else {
        let file = stem.with_extension("mp4");
        video::write(footage.as_ref(), &file).map_err(|error| at(&file, &error))?;
    }
    let file = stem.with_extension("json");
    let text = serde_json::to_string_pretty(annotations).map_err(|error| error.to_string())?;
    fs::write(&file, text + "\n").map_err(|error| at(&file, &error))
}

/// The data of a video for the training script: one line of `scripts.jsonl`. Its frames are in
/// `frames.u8` (rows of RGB), in the order of the lines.
#[derive(Debug, Serialize)]
struct TrainingScript {
    seed: u64,
    system_prompt: String,
    recipe: Vec<usize>,
    /// Per frame: held part (or -1), at the box, covered, parts done after it.
    states: Vec<(i32, bool, bool, usize)>,
    replies: Vec<(usize, String)>,
}

fn dump_training(family: Family, folder: &Path, (first, end): (u64, u64)) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    let create = |name: &str| {
        let path = folder.join(name);
        fs::File::create(&path).map(std::io::BufWriter::new).map_err(|error| at(&path, &error))
    };
    let (mut frames, mut scripts) = (create("frames.u8")?, create("scripts.jsonl")?);
    for seed in first..end {
        let (footage, line) = match family {
            Family::Workbench => training_film(Script::new(seed, training_kind(seed)), training_script),
            Family::Memory => training_film(MemoryScript::new(seed, Calm::Short), MemoryTrainingScript::new),
        };
        for index in 0..footage.frames() {
            let pixels = footage.frame(index);
            debug_assert_eq!(pixels.len(), render::FRAME_BYTES);
            frames.write_all(&pixels).map_err(|error| at(folder, &error))?;
        }
        let line = line.map_err(|error| error.to_string())?;
        writeln!(scripts, "{line}").map_err(|error| at(folder, &error))?;
    }
    frames.flush().and_then(|()| scripts.flush()).map_err(|error| at(folder, &error))
}

/// A script as what is rendered, and as the line of its data.
fn training_film<S: Footage + 'static, T: Serialize>(
    script: S,
    data: impl Fn(&S) -> T,
) -> (Box<dyn Footage>, serde_json::Result<String>) {
    let line = serde_json::to_string(&data(&script));
    (Box::new(script), line)
}

/// The kind of script for a training seed, so that all kinds of the evaluation occur.
fn training_kind(seed: u64) -> Kind {
    match seed % 4 {
        0 => Kind::Repeats,
        1 => Kind::Long(TRAINING_ROUNDS),
        _ => Kind::Plain,
    }
}

fn training_script(script: &Script) -> TrainingScript {
    let held = |part: Option<crate::workbench::parts::Part>| part.map_or(-1, |part| part.index() as i32);
    let states =
        script.frames.iter().map(|frame| (held(frame.held), frame.at_box, frame.covered, frame.done));
    TrainingScript {
        seed: script.seed,
        system_prompt: script.system_prompt(),
        recipe: script.recipe.iter().map(|part| part.index()).collect(),
        states: states.collect(),
        replies: script.replies.iter().map(|reply| (reply.frame, reply.text.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_ranges_are_checked() {
        assert_eq!(parse_seeds("3..9"), Ok((3, 9)));
        for wrong in ["9..3", "3", "a..b", "0..9999999999999"] {
            assert!(parse_seeds(wrong).unwrap_err().contains(wrong));
        }
    }

    #[test]
    fn a_dump_holds_a_line_and_all_frames_of_every_seed() {
        let workbench = |seed| Script::new(seed, training_kind(seed)).frames.len();
        let memory = |seed| MemoryScript::new(seed, Calm::Short).frames.len();
        let families: [(Family, &dyn Fn(u64) -> usize); 2] =
            [(Family::Workbench, &workbench), (Family::Memory, &memory)];
        for (family, frames_of) in families {
            let folder = tempfile::tempdir().unwrap();
            dump_training(family, folder.path(), (4, 6)).unwrap();
            let scripts = fs::read_to_string(folder.path().join("scripts.jsonl")).unwrap();
            let frames: usize = (4..6).map(frames_of).sum();
            assert_eq!(scripts.lines().count(), 2);
            let bytes = fs::metadata(folder.path().join("frames.u8")).unwrap().len();
            assert_eq!(bytes as usize, frames * render::FRAME_BYTES);
        }
    }
}
