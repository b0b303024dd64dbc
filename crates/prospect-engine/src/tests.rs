//! An engine over a model without weights: nobody's trace depends on who else is there.

mod fake;
mod laws;
mod serving;
