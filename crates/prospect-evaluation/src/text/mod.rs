//! How much a reply's words agree with a reference's: BLEU, CIDEr and METEOR, over words as the caption benchmarks cut them.
//!
//! Every metric takes one reference per reply, both as [`words`].

mod bleu;
mod cider;
mod meteor;
mod ngrams;
mod ptb;

pub use bleu::BleuCounts;
pub use cider::cider;
pub use meteor::meteor;
pub use ptb::words;
