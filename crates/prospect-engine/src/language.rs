//! The processor of a checkpoint, as the [`Language`] of its sessions.

use std::sync::Arc;

use prospect_context::{Encoded, Role};
use prospect_processor::Processor;
use prospect_session::{Language, LanguageError, UserTurn};

/// The tokenizer and chat template of a checkpoint.
pub struct CheckpointLanguage(pub Arc<Processor>);

impl Language for CheckpointLanguage {
    fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded, LanguageError> {
        Ok(self.0.encode_message(role, text, first)?)
    }

    fn encode_generation_prompt(&self) -> Result<Encoded, LanguageError> {
        Ok(self.0.encode_generation_prompt()?)
    }

    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, LanguageError> {
        Ok(self.0.encode_frame(time)?)
    }

    fn encode_user_turn(&self, timed: bool) -> Result<UserTurn, LanguageError> {
        let prospect_processor::UserTurn { opening, closing, after_reply } =
            self.0.encode_user_turn(timed)?;
        Ok(UserTurn { opening, closing, after_reply })
    }

    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        Ok(self.0.encode_text(text)?)
    }

    fn clean_reply(&self, ids: &[u32]) -> Result<String, LanguageError> {
        Ok(self.0.clean_reply(ids)?)
    }

    fn clean_reply_so_far(&self, ids: &[u32]) -> Result<String, LanguageError> {
        Ok(self.0.clean_reply_so_far(ids)?)
    }

    fn end_of_utterance(&self) -> u32 {
        self.0.special().end_of_utterance
    }

    fn ends_reply(&self, token: u32) -> bool {
        self.0.ends().contains(&token)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use prospect_config::Layers;
    use prospect_processor::{Content, Grid, Message, ProcessorError, VideoClip};
    use prospect_session::registry::Registry;
    use prospect_session::{
        Done, Fingerprint, FrameInput, Guidance, Said, Session, SessionOptions, Then, Thumbnail, Work,
    };

    use super::*;

    const SYSTEM: &str = "You watch a live video.";
    const QUESTION: &str = "Is <someone> at the door?";
    const REPLY: &str = " Somebody waves.";

    fn checkpoints() -> Vec<PathBuf> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let of_goldens = fixtures.join("goldens/checkpoints");
        let names = ["gqa-tied", "gqa-untied", "idefics3", "mha-untied-sharded"];
        let goldens = names.into_iter().map(|name| of_goldens.join(name));
        goldens.chain([fixtures.join("workbench")]).collect()
    }

    /// The token ids that a stream of two frames a second puts into the cache, asked at each of its seconds; without the reply
    /// to the last question.
    fn streamed(processor: &Processor, frames: usize, timed: bool) -> Vec<u32> {
        let sets = [
            "context.strategy=unlimited",
            "stream.frames_in=user_turn",
            "stream.talk=every",
            "stream.every.seconds=1",
            &format!("stream.every.prompt={QUESTION}"),
            &format!("stream.system_prompt={SYSTEM}"),
            &format!("stream.frame_time_text={timed}"),
        ];
        let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
        let settings = layers.resolve().unwrap();
        let language = Arc::new(CheckpointLanguage(Arc::new(processor.clone())));
        let rule = Registry::default().overflow_rule(&settings.context).unwrap();
        let options = SessionOptions::new(&settings, Guidance::default());
        let mut session = Session::new(language, rule, options).unwrap();
        let mut reply = processor.encode_text(REPLY).unwrap();
        reply.push(processor.special().end_of_utterance);
        let mut cache = Vec::new();
        for index in 0..frames {
            let (fingerprint, thumbnail) = (Fingerprint([index as u8; 32]), Thumbnail::grey(0));
            let frame = FrameInput { index, time: index as f64 / 2.0, fingerprint, thumbnail, pace: None };
            session.frame(frame, Duration::ZERO).unwrap();
            while let Some(work) = session.next_work() {
                let done = match work {
                    Work::Encode { .. } => Done::Encoded { similarity: None },
                    Work::Prefill { ids, then, .. } => {
                        cache.extend(ids);
                        let token_ids = match then {
                            Then::Reply { .. } if index + 1 < frames => {
                                cache.extend(&reply[..reply.len() - 1]);
                                reply.clone()
                            }
                            _ => Vec::new(),
                        };
                        Done::Said(Said { token_ids, is_finished: true, ..Said::default() })
                    }
                    other => panic!("{other:?}"),
                };
                session.done(done, Duration::ZERO).unwrap();
            }
        }
        cache
    }

    fn text(role: Role, text: &str) -> Message {
        Message { role, content: vec![Content::Text(text.to_owned())] }
    }

    fn frames(lines: &[&str], question: &str) -> Message {
        let of_frame = |line: &&str| match line.is_empty() {
            true => vec![Content::Image(Grid::default())],
            false => vec![Content::Text((*line).to_owned()), Content::Image(Grid::default())],
        };
        let question = Content::Text(question.to_owned());
        let content = lines.iter().flat_map(of_frame).chain([question]).collect();
        Message { role: Role::User, content }
    }

    #[test]
    fn a_stream_in_turns_is_what_the_chat_template_makes_of_the_same_dialogue() {
        for checkpoint in checkpoints() {
            let processor = Processor::from_dir(&checkpoint).unwrap();
            let line = |second: usize| format!("\nFrame from 00:0{second}:");
            let lines: Vec<String> = [0, 0, 1, 1, 2].into_iter().map(line).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            for (timed, lines) in [(true, &lines[..]), (false, &[""; 5][..])] {
                let question = if timed { format!("\n\n{QUESTION}") } else { QUESTION.to_owned() };
                let dialogue = [
                    text(Role::System, SYSTEM),
                    frames(&lines[..3], &question),
                    text(Role::Assistant, REPLY.trim()),
                    frames(&lines[3..], &question),
                ];
                for (seen, said) in [(3, 2), (5, 4)] {
                    let expected = processor.encode_prompt(&dialogue[..said], true).unwrap().ids;
                    let ids = streamed(&processor, seen, timed);
                    let shown = |ids: &[u32]| processor.decode(ids).unwrap();
                    assert_eq!(shown(&ids), shown(&expected), "{checkpoint:?}, {seen} frames");
                    assert_eq!(ids, expected, "{checkpoint:?}, {seen} frames");
                }
            }
        }
    }

    /// The sentence before the frames tells how many they are and how long the video is: a stream knows neither.
    #[test]
    fn a_published_video_has_one_sentence_more() {
        for checkpoint in checkpoints() {
            let processor = Processor::from_dir(&checkpoint).unwrap();
            let clip = VideoClip { timestamps: vec![0.0, 0.5, 1.0], duration: None };
            let content = vec![Content::Video(clip), Content::Text(QUESTION.to_owned())];
            let dialogue = [text(Role::System, SYSTEM), Message { role: Role::User, content }];
            let video = processor.encode_prompt(&dialogue, true).unwrap().ids;
            let video = processor.decode(&video).unwrap();
            let sentence =
                "You are provided the following series of three frames from a 0:00:01 [H:MM:SS] video.\n";
            assert!(video.contains(sentence), "{checkpoint:?}: {video}");
            let ids = streamed(&processor, 3, true);
            assert_eq!(processor.decode(&ids).unwrap(), video.replacen(sentence, "", 1), "{checkpoint:?}");
        }
    }

    #[test]
    fn a_template_whose_turns_cannot_grow_is_refused_in_words() {
        let folder = checkpoints().remove(0);
        let files = |template: &str| {
            let copy = std::env::temp_dir().join(format!("prospect-turns-{}", std::process::id()));
            std::fs::create_dir_all(&copy).unwrap();
            for name in ["tokenizer.json", "tokenizer_config.json", "processor_config.json"] {
                std::fs::copy(folder.join(name), copy.join(name)).unwrap();
            }
            std::fs::write(copy.join("chat_template.jinja"), template).unwrap();
            let processor = Processor::from_dir(&copy).unwrap();
            std::fs::remove_dir_all(copy).unwrap();
            processor
        };
        let message = "{% for m in messages %}{{ m.role }}: {% for c in m.content %}{{ ITEM }}{% endfor %}<end_of_utterance>\n{% endfor %}{{ 'assistant:' if add_generation_prompt }}";
        let item = "'<image>' if c.type == 'image' else c.text";
        files(&message.replace("ITEM", item)).encode_user_turn(true).unwrap();
        for other in [
            // White space is taken away, images come first, the turn tells how much is in it.
            message.replace("ITEM", "'<image>' if c.type == 'image' else c.text | trim"),
            message.replace("{{ ITEM }}", "{{ '<image>' if c.type == 'image' }}{% endfor %}{% for c in m.content %}{{ c.text if c.type == 'text' }}"),
            message.replace("ITEM", item).replace("{{ m.role }}", "{{ m.role }} {{ m.content | length }}"),
        ] {
            let error = files(&other).encode_user_turn(true).unwrap_err();
            assert!(matches!(error, ProcessorError::NoOpenTurn { .. }), "{error}");
            assert!(error.to_string().contains("stream.frames_in"), "{error}");
        }
    }
}
