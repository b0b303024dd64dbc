//! Which instructions the kernels may use at most.

use std::sync::OnceLock;

/// Keeps kernels from instructions that the machine has: `portable`, `avx2` or `avx512`. To measure and to test what others
/// get; nothing else depends on it.
const VARIABLE: &str = "PROSPECT_INSTRUCTIONS";

/// Instruction sets that there are kernels for, the fastest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What the program was compiled for.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 in any extent.
    Avx512,
}

impl Level {
    /// Whether kernels of this level are wanted, if the machine has them. Asked once a process.
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

/// Instructions of this processor that the kernels use, by their usual names; none where only portable code runs.
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
