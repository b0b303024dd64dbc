//! Runs the test of `examples/custom_strategy.rs`. Cargo builds an example's binary only if it is no test target itself, and
//! `cargo xtask ci` runs that binary.

#[path = "../examples/custom_strategy.rs"]
#[allow(dead_code, reason = "its main belongs to the binary")]
mod example;
