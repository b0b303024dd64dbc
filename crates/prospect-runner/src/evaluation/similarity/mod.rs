//! How much two texts say the same.

mod lexical;
#[cfg(feature = "sentence-encoder")]
mod sentence;

use prospect_config::Settings;

pub use lexical::Lexical;
#[cfg(feature = "sentence-encoder")]
pub use sentence::Sentence;

use crate::error::RunError;

/// Compares replies with references.
pub trait Similarity {
    /// What the report calls it.
    fn name(&self) -> &str;

    /// The cosine of every reply with every reference, one row a reply. Equal texts have a cosine of 1.
    ///
    /// # Errors
    /// A text that cannot be compared.
    fn cosines(&self, replies: &[&str], references: &[&str]) -> Result<Vec<Vec<f64>>, RunError>;
}

/// The similarity that the settings ask for: a sentence encoder, or by default words.
///
/// # Errors
/// The encoder's folder or a file in it; a build without encoder.
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

/// The cosine of two vectors of one length; 0 where one of them is zero.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}
