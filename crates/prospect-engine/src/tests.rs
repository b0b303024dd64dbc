//! An engine over a model without weights: nobody's trace depends on who else is there.

mod fake;
mod halves;
mod laws;
mod serving;
