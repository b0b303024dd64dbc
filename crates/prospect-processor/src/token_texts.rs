//! The names of the tokens that surround images and texts.

/// The texts of special tokens, from the checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct TokenTexts {
    pub(crate) image: String,
    pub(crate) bos: String,
    pub(crate) fake: String,
    pub(crate) global: String,
    pub(crate) video: String,
}
