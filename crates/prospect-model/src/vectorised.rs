//! Loops in plain Rust, compiled for each instruction set; the version is chosen at run time.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use crate::instructions::Level;

/// Declares a function whose body is compiled for AVX-512, for AVX2, and for the baseline of the build.
/// All versions compute the same bits: none of them may fuse a product and a sum.
macro_rules! vectorised {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),+ $(,)?) $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),+) {
            #[inline(always)]
            fn portable($($argument: $type),+) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($argument: $type),+) {
                    portable($($argument),+);
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),+) {
                    portable($($argument),+);
                }
                if $crate::vectorised::has_avx512() {
                    // SAFETY: the instructions were detected.
                    return unsafe { avx512($($argument),+) };
                }
                if $crate::vectorised::has_avx2() {
                    // SAFETY: the instructions were detected.
                    return unsafe { avx2($($argument),+) };
                }
            }
            portable($($argument),+);
        }
    };
}
pub(crate) use vectorised;

#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512() -> bool {
    use std::is_x86_feature_detected as has;
    Level::Avx512.is_allowed() && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx2() -> bool {
    Level::Avx2.is_allowed() && std::is_x86_feature_detected!("avx2")
}
