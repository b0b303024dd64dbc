//! Replies that a caller drives token by token, many in one pass: each result equals that of a single
//! call.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::LazyLock;

use common::{contents, load};
use proptest::prelude::*;
use prospect_context::PositionPolicy;
use prospect_model::{
    Answers, Choice, Embeddings, Found, Generated, Generation, GenerationError, Generator, GeneratorMemory,
    Input, KvCache, Next, Part, Sampling, SmolVlm, StopReason, TalkRule, Wanted,
};

static MODEL: LazyLock<SmolVlm> = LazyLock::new(|| load("gqa-untied"));

/// A requested reply.
#[derive(Debug, Clone)]
struct Asked {
    cached: usize,
    room: usize,
    tokens: usize,
    rule: Option<TalkRule>,
    most: usize,
    sampling: Sampling,
    end: u32,
    other_ends: Vec<u32>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let rule = prop_oneof![
        Just(None),
        Just(Some(TalkRule::Argmax)),
        (0f32..1.0).prop_map(|threshold| Some(TalkRule::Threshold(threshold))),
        (0f32..0.5).prop_map(|fall| Some(TalkRule::Fall(fall))),
    ];
    let sampling =
        prop_oneof![
            Just(Sampling::Greedy),
            (0.0f64..3.0, 0.1f64..1.1, any::<u64>())
                .prop_map(|(temperature, top_p, seed)| Sampling::Random { temperature, top_p, seed }),
        ];
    let ends = prop::collection::vec(0_u32..424, 0..40);
    (0_usize..40, 0_usize..14, 1_usize..12, rule, 0_usize..12, sampling, 0_u32..424, ends).prop_map(
        |(cached, room, tokens, rule, most, sampling, end, other_ends)| Asked {
            cached,
            room,
            tokens,
            rule,
            most,
            sampling,
            end,
            other_ends,
        },
    )
}

fn ids(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|index| ((index * 37 + seed * 101) % 410) as u32).collect()
}

impl Asked {
    fn cache(&self, seed: usize) -> KvCache {
        let capacity = self.cached + 2 * self.tokens + self.room;
        let mut cache = MODEL.new_cache(capacity, PositionPolicy::Rerotate).unwrap();
        if self.cached > 0 {
            MODEL.prefill(&MODEL.embed_words(&ids(self.cached, seed)).unwrap(), &mut cache).unwrap();
        }
        cache
    }

    fn chunk(&self, seed: usize) -> Embeddings {
        MODEL.embed_words(&ids(self.tokens, seed + 9)).unwrap()
    }

    fn generator(&self) -> Generator {
        Generator::new(self.end, self.sampling).ending_at(&self.other_ends)
    }
}

/// A stream with a reply in progress.
struct Stream {
    asked: Asked,
    cache: KvCache,
    chunk: Embeddings,
    generator: Generator,
    generation: Generation,
}

impl Stream {
    /// Suspends the reply in the middle and resumes it.
    fn suspend(&mut self) {
        let written = serde_json::to_string(&(&self.generation, self.generator.memory())).unwrap();
        let (generation, memory): (Generation, GeneratorMemory) = serde_json::from_str(&written).unwrap();
        assert_eq!(generation, self.generation);
        self.generator = self.asked.generator();
        self.generator.remember(memory);
        self.generation = generation;
    }

    fn part(&mut self) -> Option<Part<'_>> {
        let input = match self.generation.next() {
            Next::Chunk => Input::Chunk(&self.chunk),
            Next::Word(id) => Input::Word(id),
            Next::Finished(_) => return None,
        };
        Some(Part { input, wanted: self.generation.wanted(&self.generator), cache: &mut self.cache })
    }
}

/// Drives all replies to their ends, in passes over those that are not finished.
fn led(streams: &mut [Stream], suspending: &[bool]) -> Vec<Generated> {
    let mut answers = Answers::new();
    for pass in 0.. {
        if suspending[pass % suspending.len()] {
            streams.iter_mut().for_each(Stream::suspend);
        }
        let mut parts: Vec<Part<'_>> = streams.iter_mut().filter_map(Stream::part).collect();
        if parts.is_empty() {
            break;
        }
        MODEL.pass(&mut parts, &mut answers).unwrap();
        let going_on = streams.iter_mut().filter(|stream| stream.generation.stop().is_none());
        for (Stream { generation, generator, cache, .. }, found) in going_on.zip(answers.drain()) {
            generation.take(generator, found.unwrap(), cache.room()).unwrap();
        }
    }
    let generated = streams.iter().map(|stream| stream.generation.clone());
    generated
        .map(|generation| generation.stop().map(|stop| generation.into_generated(stop)).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_reply_in_slices_is_the_reply(
        replies in prop::collection::vec(asked(), 1..6), suspending in prop::collection::vec(any::<bool>(), 1..4),
    ) {
        let mut streams: Vec<Stream> = (0..).zip(&replies).map(|(seed, asked)| {
            let generator = asked.generator();
            let generation = generator.begin(asked.rule, asked.most);
            Stream { asked: asked.clone(), cache: asked.cache(seed), chunk: asked.chunk(seed), generator, generation }
        }).collect();
        // Two replies, so that the state of the generator matters.
        for _ in 0..2 {
            for stream in &mut streams {
                stream.generation = stream.generator.begin(stream.asked.rule, stream.asked.most);
                stream.cache.truncate(stream.asked.cached);
            }
            drop(led(&mut streams, &suspending));
        }
        for (seed, stream) in streams.into_iter().enumerate() {
            let (mut cache, mut generator, asked) = (stream.asked.cache(seed), stream.asked.generator(), &stream.asked);
            let mut generated = None;
            for _ in 0..2 {
                cache.truncate(asked.cached);
                let chunk = &stream.chunk;
                generated = Some(generator.generate(&MODEL, chunk, &mut cache, asked.rule, asked.most).unwrap());
            }
            let stop = stream.generation.stop().unwrap();
            prop_assert_eq!(Some(stream.generation.into_generated(stop)), generated);
            prop_assert_eq!(stream.generator.memory(), generator.memory());
            prop_assert_eq!(stream.cache.positions(), cache.positions());
            prop_assert_eq!(contents(&MODEL, &stream.cache), contents(&MODEL, &cache));
        }
    }
}

#[test]
fn less_than_is_asked_for_changes_nothing() {
    let mut greedy = Generator::new(3, Sampling::Greedy);
    let mut reply = greedy.begin(Some(TalkRule::Argmax), 5);
    let (before, memory) = (reply.clone(), greedy.memory());
    let wanted = Wanted::Choice { silence: 3 };
    assert_eq!(reply.wanted(&greedy), wanted);
    assert_eq!(reply.take(&mut greedy, Found::Likeliest(1), 9), Err(GenerationError::NotEnough { wanted }));
    assert_eq!((&reply, greedy.memory()), (&before, memory));
    let choice = Choice { likeliest: 3, other: 8, silence: 0.9 };
    let mut drawing = Generator::new(3, Sampling::Random { temperature: 1.0, top_p: 1.0, seed: 1 });
    let wanted = Wanted::Logits;
    assert_eq!(
        reply.take(&mut drawing, Found::Choice(choice), 9),
        Err(GenerationError::NotEnough { wanted })
    );
    assert_eq!(reply, before);
    reply.take(&mut greedy, Found::Choice(choice), 9).unwrap();
    assert_eq!((reply.stop(), reply.token_ids()), (Some(StopReason::Silence), &[3][..]));
    assert_eq!(reply.next(), Next::Finished(StopReason::Silence));
    assert_eq!(reply.take(&mut greedy, Found::Likeliest(1), 9), Err(GenerationError::Finished));
}

/// Logits are accepted in place of any answer, and a choice in place of the likeliest token.
#[test]
fn more_than_is_asked_for_is_taken() {
    let mut generator = Generator::new(3, Sampling::Greedy);
    let mut reply = generator.begin(None, 5);
    reply.take(&mut generator, Found::Logits(&mut [0.0, 2.0, 1.0, 0.5]), 9).unwrap();
    assert_eq!((reply.next(), reply.wanted(&generator)), (Next::Word(1), Wanted::Likeliest));
    reply.take(&mut generator, Found::Logits(&mut [0.0, 0.0, 1.0, 0.5]), 9).unwrap();
    reply.take(&mut generator, Found::Choice(Choice { likeliest: 0, other: 0, silence: 0.1 }), 0).unwrap();
    assert_eq!((reply.stop(), reply.token_ids()), (Some(StopReason::CacheFull), &[1, 2, 0][..]));
}

/// A stream holds one, and it can move between threads.
#[test]
fn a_reply_is_small_and_can_be_sent() {
    fn sent<T: Send + Sync + Clone>() -> usize {
        size_of::<T>()
    }
    assert!(sent::<Generation>() <= 128);
    assert!(sent::<GeneratorMemory>() <= 32);
}
