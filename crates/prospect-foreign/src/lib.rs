//! Limits on untrusted text and bytes: they must not steer a terminal, break a line or end the process.
//!
//! ```
//! assert_eq!(prospect_foreign::one_line("unknown key\n`a\u{1b}[2J`"), "unknown key `a [2J`");
//! assert_eq!(prospect_foreign::caught(|| Vec::<u32>::new()[0]), None);
//! ```

mod caught;
mod one_line;

pub use caught::caught;
pub use one_line::{harmless, one_line, short_line};
