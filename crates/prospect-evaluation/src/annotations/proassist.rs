//! ProAssist's conversations: its released annotations, and the samples it prepares from them.
//!
//! The keys are those of the public code (`mmassist/datasets/generate`, `mmassist/datasets/prepare`).

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check::{Place, check_fps, check_span, check_time};
use super::levels::{self, Level};
use super::{Annotations, AnnotationsError, Message, Speaker, Substep};

/// The text that ProAssist puts before the task knowledge in a system message.
const KNOWLEDGE_PREFIX: &str = "Task knowledge:";
/// The beginning of the question with which a prepared sample ends.
const SUMMARY_PREFIX: &str = "Please summarize";

/// The dialogue of a ProAssist file that is read. By default it is the only video and its first conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The `video_uid` of the video.
    pub video_uid: Option<String>,
    /// The `user_type` of the conversation: `no_talk`, `talk_some` or `talk_more`. If several have it, the
    /// first is read.
    pub user_type: Option<String>,
    /// The line of a prepared file (`.jsonl`), counted from 1. Each line is a sample.
    pub line: Option<usize>,
}

/// A video, or a prepared sample of one.
#[derive(Deserialize)]
struct Video {
    video_uid: Option<String>,
    inferred_knowledge: Option<String>,
    conversations: Option<Vec<Value>>,
    conversation: Option<Vec<Value>>,
    fps: Option<f64>,
    metadata: Option<Value>,
    dst: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Conversation {
    user_type: Option<String>,
    conversation: Vec<Value>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    knowledge: Option<String>,
    user_type: Option<String>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    time: Option<f64>,
    content: String,
}

#[derive(Deserialize)]
struct Frames {
    start: u64,
    end: u64,
}

/// A row of PROSPECT's extension.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(rename = "type")]
    level: String,
    start_ts: f64,
    end_ts: f64,
    name: String,
}

/// Whether a file has the top level of ProAssist's format.
pub(super) fn is_proassist(value: &Value) -> bool {
    value.is_array() || value.get("conversations").is_some() || value.get("conversation").is_some()
}

pub(super) fn read(value: Value, path: &Path, choice: &Choice) -> Result<Annotations, AnnotationsError> {
    let (place, value) = choose_video(value, path, choice)?;
    read_video(value, place, path, choice)
}

/// Reads one sample of a prepared file, which has a sample on each line.
pub(super) fn read_prepared(
    text: &str,
    path: &Path,
    choice: &Choice,
) -> Result<Annotations, AnnotationsError> {
    let mut samples = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (line, sample) = match choice.line {
        Some(wanted) => samples.find(|(line, _)| *line == wanted),
        None => samples.next().filter(|_| samples.next().is_none()),
    }
    .ok_or_else(|| AnnotationsError::Sample {
        path: path.to_owned(),
        line: choice.line,
        samples: text.lines().filter(|line| !line.trim().is_empty()).count(),
    })?;
    let place = format!("line {line}");
    let value =
        serde_json::from_str(sample).map_err(|error| AnnotationsError::entry(path, &place, &error))?;
    read_video(value, place, path, choice)
}

fn read_video(
    value: Value,
    place: String,
    path: &Path,
    choice: &Choice,
) -> Result<Annotations, AnnotationsError> {
    let mut video: Video =
        serde_json::from_value(value).map_err(|error| AnnotationsError::entry(path, &place, &error))?;
    if let Some(wanted) = choice.video_uid.as_ref().filter(|&wanted| video.video_uid.as_ref() != Some(wanted))
    {
        return Err(AnnotationsError::UnknownVideo { path: path.to_owned(), wanted: wanted.clone() });
    }
    if let Some(fps) = video.fps {
        check_fps(fps, path)?;
    }
    // ProAssist writes an object and documents it as one in a string.
    let metadata = match video.metadata.take() {
        None => Ok(Metadata::default()),
        Some(Value::String(text)) => serde_json::from_str(&text),
        Some(value) => serde_json::from_value(value),
    };
    let metadata =
        metadata.map_err(|error| AnnotationsError::entry(path, &join(&place, "metadata"), &error))?;
    let (turns_place, turns) = choose_conversation(&mut video, metadata.user_type, &place, path, choice)?;
    let mut dialogue = Dialogue { path, fps: video.fps, now: None, annotations: Annotations::default() };
    dialogue.annotations.task_knowledge =
        video.inferred_knowledge.or(metadata.knowledge).filter(|knowledge| !knowledge.is_empty());
    for (index, turn) in turns.into_iter().enumerate() {
        let is_end = dialogue.take(turn, &format!("{turns_place}[{index}]"))?;
        if is_end {
            break;
        }
    }
    let mut annotations = dialogue.annotations;
    annotations.fps = video.fps;
    annotations.messages.sort_by(|a, b| a.time.total_cmp(&b.time));
    levels::put(&mut annotations, rows(video.dst.unwrap_or_default(), &join(&place, "dst"), path)?);
    Ok(annotations)
}

fn join(place: &str, key: &str) -> String {
    match place {
        "" => key.to_owned(),
        line if line.starts_with("line ") => format!("{line}: {key}"),
        _ => format!("{place}.{key}"),
    }
}

/// The one video, or the chosen one of a list, with its place.
fn choose_video(value: Value, path: &Path, choice: &Choice) -> Result<(String, Value), AnnotationsError> {
    let Value::Array(mut videos) = value else { return Ok((String::new(), value)) };
    let index = match &choice.video_uid {
        Some(wanted) => {
            let is_wanted = |video: &Value| video.get("video_uid").and_then(Value::as_str) == Some(wanted);
            videos.iter().position(is_wanted).ok_or_else(|| AnnotationsError::UnknownVideo {
                path: path.to_owned(),
                wanted: wanted.clone(),
            })?
        }
        None if videos.len() == 1 => 0,
        None => {
            return Err(AnnotationsError::SeveralVideos { path: path.to_owned(), videos: videos.len() });
        }
    };
    Ok((format!("[{index}]"), videos.swap_remove(index)))
}

/// The first conversation, or the first of the chosen kind, with its place.
fn choose_conversation(
    video: &mut Video,
    sample_type: Option<String>,
    place: &str,
    path: &Path,
    choice: &Choice,
) -> Result<(String, Vec<Value>), AnnotationsError> {
    let list = join(place, "conversations");
    let (mut all, is_list) = match (video.conversations.take(), video.conversation.take()) {
        (None, Some(conversation)) => (vec![Conversation { user_type: sample_type, conversation }], false),
        (some, _) => (conversations(some.unwrap_or_default(), &list, path)?, true),
    };
    if all.is_empty() {
        return Err(AnnotationsError::NoConversation { path: path.to_owned(), place: list });
    }
    let index = match &choice.user_type {
        None => 0,
        Some(wanted) => {
            let is_wanted = |one: &Conversation| one.user_type.as_ref() == Some(wanted);
            all.iter().position(is_wanted).ok_or_else(|| AnnotationsError::UnknownUserType {
                path: path.to_owned(),
                wanted: wanted.clone(),
                found: all.iter().filter_map(|one| one.user_type.clone()).collect(),
            })?
        }
    };
    let place = if is_list { format!("{list}[{index}].conversation") } else { join(place, "conversation") };
    Ok((place, all.swap_remove(index).conversation))
}

fn conversations(values: Vec<Value>, list: &str, path: &Path) -> Result<Vec<Conversation>, AnnotationsError> {
    let one = |(index, value)| {
        serde_json::from_value(value)
            .map_err(|error| AnnotationsError::entry(path, &format!("{list}[{index}]"), &error))
    };
    values.into_iter().enumerate().map(one).collect()
}

/// A conversation as far as it was read.
struct Dialogue<'a> {
    path: &'a Path,
    fps: Option<f64>,
    /// The end of the frames so far, in seconds.
    now: Option<f64>,
    annotations: Annotations,
}

impl Dialogue<'_> {
    /// Takes one turn. Returns true if the dialogue ends before it.
    fn take(&mut self, turn: Value, place: &str) -> Result<bool, AnnotationsError> {
        let path = self.path;
        let refused = |error| AnnotationsError::entry(path, place, &error);
        match turn.get("role").and_then(Value::as_str) {
            Some("frames") => {
                let Frames { start, end } = serde_json::from_value(turn).map_err(refused)?;
                self.frames(start, end, place)?;
                return Ok(false);
            }
            Some("DST_UPDATE") => return Ok(false),
            _ => {}
        }
        let Turn { role, time, content } = serde_json::from_value(turn).map_err(refused)?;
        let role: Speaker = serde_json::from_value(Value::String(role)).map_err(refused)?;
        if role == Speaker::System && content.starts_with(SUMMARY_PREFIX) {
            return Ok(true);
        }
        // A prepared sample still has the times it was made from; where its frames stand is what ProAssist goes by.
        let time = match self.now.or(time) {
            Some(time) => time,
            // The system prompt stands ahead of everything.
            None if role == Speaker::System => 0.0,
            None => {
                return Err(AnnotationsError::MissingTime { path: path.to_owned(), place: place.to_owned() });
            }
        };
        check_time(time, || format!("{place}.time"), path)?;
        self.message(Message::new(time, role, content));
        Ok(false)
    }

    fn frames(&mut self, start: u64, end: u64, place: &str) -> Result<(), AnnotationsError> {
        let Some(fps) = self.fps else {
            return Err(AnnotationsError::MissingFps { path: self.path.to_owned(), place: place.to_owned() });
        };
        if start > end {
            return Err(AnnotationsError::Frames {
                path: self.path.to_owned(),
                place: place.to_owned(),
                start,
                end,
            });
        }
        self.now = Some(end as f64 / fps);
        Ok(())
    }

    fn message(&mut self, message: Message) {
        let annotations = &mut self.annotations;
        if message.role == Speaker::System {
            if let Some(knowledge) = message.text.strip_prefix(KNOWLEDGE_PREFIX) {
                annotations.task_knowledge.get_or_insert_with(|| knowledge.trim_start().to_owned());
                return;
            }
            if annotations.messages.is_empty() && annotations.system_prompt.is_none() {
                annotations.system_prompt = Some(message.text);
                return;
            }
        }
        annotations.messages.push(message);
    }
}

fn rows(values: Vec<Value>, list: &str, path: &Path) -> Result<Vec<(Level, Substep)>, AnnotationsError> {
    let row = |(index, value)| {
        let place = format!("{list}[{index}]");
        let Row { level, start_ts, end_ts, name } =
            serde_json::from_value(value).map_err(|error| AnnotationsError::entry(path, &place, &error))?;
        let level = Level::from_word(&level, &place, path)?;
        let entry = Substep { name, start: start_ts, end: end_ts };
        check_span(&entry, level, &Place::in_json(path, &place, ["start_ts", "end_ts"]))?;
        Ok((level, entry))
    };
    values.into_iter().enumerate().map(row).collect()
}

/// Whether a system message of these annotations would be read back with another meaning.
pub(super) fn is_ambiguous(annotations: &Annotations) -> bool {
    let has_meaning = |text: &str| text.starts_with(KNOWLEDGE_PREFIX) || text.starts_with(SUMMARY_PREFIX);
    let is_system = |message: &&Message| message.role == Speaker::System;
    let prompt = annotations.system_prompt.as_deref();
    let becomes_prompt = prompt.is_none() && annotations.messages.first().as_ref().is_some_and(is_system);
    let mut texts =
        annotations.messages.iter().filter(is_system).map(|message| message.text.as_str()).chain(prompt);
    becomes_prompt || texts.any(has_meaning)
}

/// The text of a file with one video and one conversation. The system prompt is its first message. The goal
/// is the first line of the task knowledge, as in ProAssist. The rate and the steps, if there are any, go
/// into the keys `fps` and `dst`, which ProAssist ignores.
pub(super) fn write(annotations: &Annotations) -> Result<String, serde_json::Error> {
    let turn = |role: Speaker, time: f64, text: &str| json!({ "role": role, "time": time, "content": text });
    let prompt = annotations.system_prompt.iter().map(|prompt| turn(Speaker::System, 0.0, prompt));
    let said = annotations.messages.iter().map(|message| turn(message.role, message.time, &message.text));
    let conversation: Vec<Value> = prompt.chain(said).collect();
    let knowledge = annotations.task_knowledge.as_deref().unwrap_or_default();
    let mut video = json!({
        "inferred_goal": knowledge.lines().next().unwrap_or_default(),
        "inferred_knowledge": knowledge,
        "conversations": [{ "conversation": conversation }],
    });
    if let Some(fps) = annotations.fps {
        video["fps"] = json!(fps);
    }
    let row = |(level, entry): (Level, &Substep)| Row {
        level: level.word().to_lowercase(),
        start_ts: entry.start,
        end_ts: entry.end,
        name: entry.name.clone(),
    };
    let rows: Vec<Row> = levels::rows(annotations).into_iter().map(row).collect();
    if !rows.is_empty() {
        video["dst"] = serde_json::to_value(rows)?;
    }
    Ok(serde_json::to_string_pretty(&video)? + "\n")
}
