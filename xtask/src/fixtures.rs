//! `cargo xtask fixtures`: renders workbench videos, or writes a random checkpoint of a published size.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::command::step;
use crate::workbench::annotations::Annotations;
use crate::workbench::render;
use crate::workbench::script::{Kind, Script};
use crate::workbench::seeds;
use crate::workbench::video;

/// The weights of the committed checkpoint.
const COMMITTED_MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/workbench/model.safetensors");
/// Default folder for videos.
const DEFAULT_OUT: &str = "out/workbench";
/// Number of frames of the one-hour stream.
const HOUR: usize = 7200;
/// Fewest frames of a training video with several rounds.
const TRAINING_ROUNDS: usize = 160;

/// Renders workbench videos with their annotations, or writes a checkpoint of random weights at a published size.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder to write to; without it `out/workbench`, or `out/random-SIZE`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a checkpoint of random weights instead: 256m, 500m or 2.2b.
    #[arg(long, value_name = "SIZE")]
    random: Option<String>,
    /// The checkpoint whose bytes give the evaluation seeds.
    #[arg(long, default_value = COMMITTED_MODEL)]
    model: PathBuf,
    /// How many evaluation videos.
    #[arg(long, default_value_t = 60)]
    count: usize,
    /// Recipes that repeat parts.
    #[arg(long)]
    repeats: bool,
    /// Write folders of PNG files (lossless) instead of MP4.
    #[arg(long)]
    png: bool,
    /// One stream of an hour instead of evaluation videos.
    #[arg(long)]
    hour: bool,
    /// Render exactly this seed instead of the evaluation seeds.
    #[arg(long)]
    seed: Option<u64>,
    /// Dump raw frames and states of `--seeds` for the training script.
    #[arg(long, requires = "seeds")]
    dump_training: Option<PathBuf>,
    /// Training seeds, `FIRST..END`; of every four, one repeats parts and one goes on for several rounds.
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
    if let (Some(folder), Some(range)) = (&arguments.dump_training, arguments.seeds) {
        return dump_training(folder, range);
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
    let chosen = match arguments.seed {
        Some(seed) => vec![seed],
        None => evaluation_seeds(&arguments.model, if arguments.hour { 1 } else { arguments.count })?,
    };
    let out = arguments.out.clone().unwrap_or_else(|| DEFAULT_OUT.into());
    write_videos(&chosen, kind, name, &out, arguments.png)
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
    let chosen = evaluation_seeds(Path::new(COMMITTED_MODEL), count)?;
    write_videos(&chosen, Kind::Plain, "video", folder, false)
}

fn write_videos(seeds: &[u64], kind: Kind, name: &str, folder: &Path, png: bool) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    for (number, seed) in seeds.iter().enumerate() {
        write_video(&Script::new(*seed, kind), &folder.join(format!("{name}_{number:03}")), png)?;
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
fn write_video(script: &Script, stem: &Path, png: bool) -> Result<(), String> {
    if png {
        fs::create_dir_all(stem).map_err(|error| at(stem, &error))?;
        for index in 0..script.frames.len() {
            let file = stem.join(format!("{index:05}.png"));
            let (size, pixels) = (render::SIZE as u32, render::frame(script, index));
            image::save_buffer(&file, &pixels, size, size, image::ColorType::Rgb8)
                .map_err(|error| at(&file, &error))?;
        }
    } else {
        let file = stem.with_extension("mp4");
        video::write(script, &file).map_err(|error| at(&file, &error))?;
    }
    let file = stem.with_extension("json");
    let text = serde_json::to_string_pretty(&Annotations::new(script)).map_err(|error| error.to_string())?;
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

fn dump_training(folder: &Path, (first, end): (u64, u64)) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    let create = |name: &str| {
        let path = folder.join(name);
        fs::File::create(&path).map(std::io::BufWriter::new).map_err(|error| at(&path, &error))
    };
    let (mut frames, mut scripts) = (create("frames.u8")?, create("scripts.jsonl")?);
    for seed in first..end {
        let script = Script::new(seed, training_kind(seed));
        for index in 0..script.frames.len() {
            let pixels = render::frame(&script, index);
            debug_assert_eq!(pixels.len(), render::FRAME_BYTES);
            frames.write_all(&pixels).map_err(|error| at(folder, &error))?;
        }
        let line = serde_json::to_string(&training_script(&script)).map_err(|error| error.to_string())?;
        writeln!(scripts, "{line}").map_err(|error| at(folder, &error))?;
    }
    frames.flush().and_then(|()| scripts.flush()).map_err(|error| at(folder, &error))
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
        let folder = tempfile::tempdir().unwrap();
        dump_training(folder.path(), (4, 6)).unwrap();
        let scripts = fs::read_to_string(folder.path().join("scripts.jsonl")).unwrap();
        let frames: usize = (4..6).map(|seed| Script::new(seed, training_kind(seed)).frames.len()).sum();
        assert_eq!(scripts.lines().count(), 2);
        let bytes = fs::metadata(folder.path().join("frames.u8")).unwrap().len();
        assert_eq!(bytes as usize, frames * render::FRAME_BYTES);
    }
}
