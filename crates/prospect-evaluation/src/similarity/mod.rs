//! The similarity of two texts.

mod lexical;

use std::error::Error;

pub use lexical::Lexical;

/// Texts cannot be compared.
#[derive(Debug, thiserror::Error)]
#[error("replies cannot be compared with references: {0}")]
pub struct SimilarityError(#[from] pub Box<dyn Error + Send + Sync>);

/// Compares replies with references.
pub trait Similarity {
    /// The name in the report.
    fn name(&self) -> &str;

    /// The cosine of every reply with every reference, one row per reply. Equal texts have a cosine of 1.
    ///
    /// # Errors
    /// A text cannot be compared.
    fn cosines(&self, replies: &[&str], references: &[&str]) -> Result<Vec<Vec<f64>>, SimilarityError>;
}

/// The cosine of two vectors of the same length; 0 if one of them is zero.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}
