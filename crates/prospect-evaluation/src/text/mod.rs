//! The agreement of a reply's words with those of its reference: BLEU, CIDEr and METEOR, over the words of
//! the caption benchmarks.
//!
//! Every metric takes one reference per reply. Both are given as [`words`].

mod bleu;
mod cider;
mod meteor;
mod ngrams;
mod ptb;

pub use bleu::BleuCounts;
pub use cider::cider;
pub use meteor::meteor;
pub use ptb::words;
