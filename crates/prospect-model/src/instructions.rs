//! Limits the instruction sets that the kernels use.

use std::sync::OnceLock;

/// Environment variable that forbids newer instructions: `portable`, `avx2` or `avx512`. It exists to
/// measure and test the slower kernels; nothing else depends on it.
const VARIABLE: &str = "PROSPECT_INSTRUCTIONS";

/// Instruction sets with kernels, from slowest to fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The instructions that the program was compiled for.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512, with any of its extensions.
    Avx512,
}

impl Level {
    /// Whether kernels of this level may be used if the machine has them. The variable is read once per
    /// process.
    pub(crate) fn is_allowed(self) -> bool {
        static MOST: OnceLock<Level> = OnceLock::new();
        self <= *MOST.get_or_init(|| Self::most(std::env::var(VARIABLE).ok().as_deref()))
    }

    fn most(wanted: Option<&str>) -> Self {
        match wanted {
            Some("portable") => Self::Portable,
            Some("avx2") => Self::Avx2,
            _ => Self::Avx512,
        }
    }
}

/// The instruction sets of this processor that the kernels use, by their usual names. Empty if only
/// portable code runs.
pub fn cpu_instructions() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::is_x86_feature_detected as has;
        let found = [
            (Level::Avx2, "avx2", has!("avx2")),
            (Level::Avx2, "fma", has!("fma")),
            (Level::Avx512, "avx512f", has!("avx512f")),
            (Level::Avx512, "avx512vnni", has!("avx512vnni")),
            (Level::Avx512, "avx512bf16", has!("avx512bf16")),
        ];
        let used = found.into_iter().filter(|(level, _, there)| *there && level.is_allowed());
        used.map(|(_, name, _)| name).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_bounds_what_is_used() {
        let levels = [None, Some("avx512"), Some("avx2"), Some("portable")].map(Level::most);
        assert_eq!(levels, [Level::Avx512, Level::Avx512, Level::Avx2, Level::Portable]);
        assert!(Level::Portable.is_allowed());
    }
}
