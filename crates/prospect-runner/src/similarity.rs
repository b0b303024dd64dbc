//! Compares replies with references, by words or by a sentence encoder.

use prospect_config::Settings;
use prospect_evaluation::{Judge, Lexical, Similarity, Window};
#[cfg(feature = "sentence-encoder")]
use prospect_evaluation::{SimilarityError, cosine};
#[cfg(feature = "sentence-encoder")]
use prospect_model::SentenceEncoder;

use crate::error::RunError;

/// The similarity that the settings ask for: a sentence encoder, or by default a comparison of words.
///
/// # Errors
/// The encoder's folder or a file in it is invalid, or this build has no sentence encoder.
pub fn similarity(settings: &Settings) -> Result<Box<dyn Similarity>, RunError> {
    match &settings.evaluation.similarity {
        None => Ok(Box::new(Lexical)),
        #[cfg(feature = "sentence-encoder")]
        Some(folder) => Ok(Box::new(Sentence::load(settings, folder)?)),
        #[cfg(not(feature = "sentence-encoder"))]
        Some(_) => {
            let expected =
                "no value: this build compares words; build with --features sentence-encoder for an encoder";
            Err(settings.unsupported_error("evaluation.similarity", expected).into())
        }
    }
}

/// The judge for a run with these settings.
pub fn judge<'a>(settings: &Settings, similarity: &'a dyn Similarity) -> Judge<'a> {
    let (evaluation, stream) = (&settings.evaluation, &settings.stream);
    let window = Window::from_seconds(evaluation.reference_before, evaluation.reference_after, stream.fps);
    let start = stream.start.unwrap_or(0.0);
    let most = stream.max_frames.map_or(f64::INFINITY, |frames| start + frames as f64 / stream.fps);
    let range = (start, stream.end.unwrap_or(f64::INFINITY).min(most));
    Judge { similarity, window, fps: stream.fps, range }
}

/// Cosine similarity of sentence embeddings, as in ProAssist.
#[cfg(feature = "sentence-encoder")]
pub struct Sentence {
    name: String,
    encoder: SentenceEncoder,
}

#[cfg(feature = "sentence-encoder")]
impl Sentence {
    /// Loads an encoder from a folder, or by hub id from the hub's cache. Errors name the origin of the
    /// setting in `settings`.
    ///
    /// # Errors
    /// The folder does not exist, or a file in it is malformed.
    pub fn load(settings: &Settings, name: &str) -> Result<Self, RunError> {
        let missing = || {
            let expected = "a folder, or a hub id that lies in the hub's cache";
            settings.unsupported_error("evaluation.similarity", expected)
        };
        let folder = prospect_hub::resolve(name).ok_or_else(missing)?;
        Ok(Self { name: format!("sentence encoder {name}"), encoder: SentenceEncoder::load(&folder)? })
    }

    fn embeddings(&self, texts: &[&str]) -> Result<Vec<Vec<f64>>, SimilarityError> {
        let embeddings = self.encoder.encode(texts).map_err(Box::from)?;
        let widened = |embedding: Vec<f32>| embedding.into_iter().map(f64::from).collect();
        Ok(embeddings.into_iter().map(widened).collect())
    }
}

#[cfg(feature = "sentence-encoder")]
impl Similarity for Sentence {
    fn name(&self) -> &str {
        &self.name
    }

    fn cosines(&self, replies: &[&str], references: &[&str]) -> Result<Vec<Vec<f64>>, SimilarityError> {
        let (said, right) = (self.embeddings(replies)?, self.embeddings(references)?);
        let row = |(reply, own): (&&str, &Vec<f64>)| {
            let pair = |(reference, other): (&&str, &Vec<f64>)| match reply == reference {
                // Otherwise rounding would give equal texts a similarity slightly below 1.
                true => 1.0,
                false => cosine(own, other),
            };
            references.iter().zip(&right).map(pair).collect()
        };
        Ok(replies.iter().zip(&said).map(row).collect())
    }
}

#[cfg(test)]
#[cfg(feature = "sentence-encoder")]
mod tests {
    use prospect_config::Layers;

    use super::*;

    fn settings(similarity: &str) -> Settings {
        let layers = Layers::new().set(&format!("evaluation.similarity={similarity}")).unwrap();
        layers.resolve().unwrap()
    }

    #[test]
    fn equal_texts_are_one_and_a_missing_folder_is_told() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/goldens/sentence_encoder");
        let sentence = Sentence::load(&settings(folder), folder).unwrap();
        let cosines = sentence.cosines(&["Take the cone.", "Stop."], &["Stop.", "Take the cone."]).unwrap();
        assert_eq!((cosines[0][1], cosines[1][0]), (1.0, 1.0));
        assert!(cosines[0][0] < 0.999 && (cosines[0][0] - cosines[1][1]).abs() < 1e-9);
        let missing = Sentence::load(&settings("/nowhere"), "/nowhere").err().unwrap().to_string();
        assert!(missing.contains("evaluation.similarity") && missing.contains("a folder"), "{missing}");
    }
}
