//! The engine's thread: the order of works, and which works share a pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use prospect_session::{Done, Session};

use crate::command::Command;
use crate::error::{EngineError, UnfitError};
use crate::load::{Meter, ReservedBytes, Taken};
use crate::output::Output;
use crate::served::{Due, Served};
use crate::setup::{EngineOptions, Resumption, StreamSetup};
use crate::stream_model::StreamModel;

pub(crate) struct Scheduler<M: StreamModel> {
    model: Arc<M>,
    options: EngineOptions,
    epoch: Instant,
    streams: BTreeMap<usize, Served<M>>,
    next_id: usize,
    meter: Arc<Meter>,
}

impl<M: StreamModel> Scheduler<M> {
    pub(crate) fn new(model: Arc<M>, options: EngineOptions, epoch: Instant, meter: Arc<Meter>) -> Self {
        let options = EngineOptions { slice: options.slice.max(1), ..options };
        Self { model, options, epoch, streams: BTreeMap::new(), next_id: 0, meter }
    }

    /// Serves until all handles are dropped.
    pub(crate) fn serve(mut self, commands: &Receiver<Command<M>>) {
        loop {
            // What is there is heard before the next round, which decides who is due.
            loop {
                match commands.try_recv() {
                    Ok(command) => self.hear(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) if self.is_at_rest() => return,
                    Err(TryRecvError::Disconnected) => break,
                }
            }
            if !self.is_at_rest() {
                self.round();
            } else {
                match commands.recv() {
                    Ok(command) => self.hear(command),
                    Err(_) => return,
                }
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.streams.values().all(Served::is_at_rest)
    }

    fn hear(&mut self, command: Command<M>) {
        // Whoever asks and does not wait for the answer has gone.
        match command {
            Command::Open { setup, outputs, opened } => {
                let _ = opened.send(self.open(*setup, outputs));
            }
            Command::Frame { stream, input, picture, waiting } => {
                if let Some(served) = self.streams.get_mut(&stream) {
                    served.push(*input, picture, waiting);
                }
            }
            Command::Say { stream, text, heard } => {
                let said = self.session(stream).and_then(|session| Ok(session.say(&text)?));
                let _ = heard.send(said);
            }
            Command::Opening { stream, opening, heard } => {
                let set = self.session(stream).and_then(|session| Ok(session.set_opening(opening)?));
                let _ = heard.send(set);
            }
            Command::Adjust { stream, adjustment, heard } => {
                if let Some(served) = self.streams.get_mut(&stream) {
                    served.adjust(&self.model, *adjustment, heard);
                }
            }
            Command::Look { stream, seen } => {
                if let Some(served) = self.streams.get(&stream) {
                    let _ = seen.send(served.position());
                }
            }
            Command::CutReply { stream, cut } => {
                let served = self.streams.get_mut(&stream).ok_or(EngineError::Stopped);
                let _ = cut.send(served.and_then(|served| served.cut_reply(&self.model)));
            }
            Command::Aside { stream, aside } => {
                self.streams.entry(stream).and_modify(|served| served.aside(aside));
            }
            Command::Suspend { stream, write } => {
                if let Some(served) = self.streams.get(&stream) {
                    write(served.suspended(&self.model));
                }
            }
            Command::Finish { stream, failure, finished } => {
                if let Some(served) = self.streams.get_mut(&stream) {
                    served.finish(failure);
                    let _ = finished.send(served.statistics().clone());
                }
            }
            Command::Close { stream } => {
                self.streams.remove(&stream);
            }
        }
    }

    fn session(&mut self, stream: usize) -> Result<&mut Session, EngineError> {
        self.streams.get_mut(&stream).ok_or(EngineError::Stopped)?.open_session()
    }

    fn open(
        &mut self,
        setup: StreamSetup,
        outputs: std::sync::mpsc::Sender<Output>,
    ) -> Result<usize, EngineError> {
        let StreamSetup { language, rule, options, cache: cache_options, tells_words, resumption } = setup;
        let mut session = Session::new(language, rule, options)?;
        if tells_words {
            session.tell_words();
        }
        let needed = self.model.cache_bytes(&cache_options);
        let reserved = ReservedBytes::of(&self.meter, needed, self.options.memory)?;
        let mut cache = self.model.open(&cache_options)?;
        let mut last_frame = None;
        if let Some(Resumption { memory, model, tensors }) = resumption {
            let resumed = self.model.resume(&mut cache, &model, &tensors)?;
            let holds = prospect_session::ModelHolds {
                cache_tokens: self.model.cache_tokens(&cache),
                fork: resumed.fork,
                last_frame: resumed.last_frame.is_some(),
            };
            session.resume(memory, holds).map_err(UnfitError::from)?;
            last_frame = resumed.last_frame;
        }
        let id = self.next_id;
        self.next_id += 1;
        let taken = Taken::counted(reserved);
        self.streams.insert(id, Served::new(session, cache, taken, last_frame, self.epoch, outputs));
        Ok(id)
    }

    /// Does one round: all quick works, the vision tower for the frame that is due first, and one slice of
    /// the replies.
    fn round(&mut self) {
        for served in self.streams.values_mut() {
            served.go_on(&self.model);
            served.reuse_encoding(&self.model);
        }
        self.encode();
        self.talk();
    }

    fn encode(&mut self) {
        let mut due: Vec<(Due, usize)> = self
            .streams
            .iter()
            .filter(|(_, served)| served.wants_encoding())
            .map(|(id, served)| (served.due(), *id))
            .collect();
        due.sort_unstable();
        due.truncate(self.model.pictures_at_once().max(1));
        let picture = |(_, id): &(Due, usize)| self.streams.get_mut(id)?.take_picture();
        let pictures: Vec<M::PreparedPicture> = due.iter().filter_map(picture).collect();
        if pictures.is_empty() {
            return;
        }
        let encoded = self.model.encode(pictures);
        for ((_, id), features) in due.into_iter().zip(encoded) {
            if let Some(served) = self.streams.get_mut(&id) {
                served.encoded(&self.model, features);
            }
        }
    }

    fn talk(&mut self) {
        let (mut ids, mut parts) = (Vec::new(), Vec::new());
        for (id, served) in &mut self.streams {
            if let Some(part) = served.talk_part() {
                ids.push(*id);
                parts.push(part);
            }
        }
        if parts.is_empty() {
            return;
        }
        let said = self.model.talk(&mut parts, self.options.slice);
        drop(parts);
        for (id, said) in ids.into_iter().zip(said) {
            if let Some(served) = self.streams.get_mut(&id) {
                served.done(&self.model, said.map(Done::Said));
            }
        }
    }
}
