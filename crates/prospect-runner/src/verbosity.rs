//! The level of messages on standard error, one for the process: `-v`, `-q`, or `PROSPECT_LOG`.

use std::sync::atomic::{AtomicU8, Ordering};

/// The variable that sets the level if no flag does: a level, or directives of the server's log such as
/// `prospect_server=debug,info`.
pub(crate) const VARIABLE: &str = "PROSPECT_LOG";

/// The importance of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The reason of a failure.
    Error,
    /// A probable mistake of the user.
    Warn,
    /// Notes, and progress bars.
    Info,
    /// Internal events: loaded models, evictions.
    Debug,
    /// Every frame.
    Trace,
}

impl Level {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The level of the flags, or else of the environment.
    pub(crate) fn chosen(verbose: u8, quiet: u8, variable: Option<&str>) -> Result<Self, String> {
        let steps = i16::from(verbose) - i16::from(quiet);
        match (steps, variable) {
            (0, Some(text)) => Self::of_variable(text),
            _ => Ok(Self::ALL[(2 + steps).clamp(0, 4) as usize]),
        }
    }

    /// The bare level in a list of directives. Directives of modules concern the log only.
    fn of_variable(text: &str) -> Result<Self, String> {
        let mut level = Self::Info;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part.contains(['=', '[', ':']) {
                continue;
            }
            let found = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(part));
            level = match found {
                Some(level) => level,
                None if part.eq_ignore_ascii_case("off") => Self::Error,
                None => {
                    let names = Self::ALL.map(Self::name).join(", ");
                    return Err(format!("{VARIABLE}={part}: expected {names}; info is taken"));
                }
            };
        }
        Ok(level)
    }

    /// The name in the variable.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Suppresses every line of a lesser level from now on.
    pub(crate) fn set(self) {
        MOST.store(self as u8, Ordering::Relaxed);
    }

    /// Whether progress bars are drawn. At other levels than the default one they are not, because lines
    /// would interrupt them.
    pub(crate) fn shows_progress() -> bool {
        Self::Info.is_told() && !Self::Debug.is_told()
    }

    /// Whether lines of this level are written.
    pub(crate) fn is_told(self) -> bool {
        self as u8 <= MOST.load(Ordering::Relaxed)
    }
}

/// The level that was set.
static MOST: AtomicU8 = AtomicU8::new(Level::Info as u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_stronger_than_the_environment() {
        let chosen = |verbose, quiet, variable| Level::chosen(verbose, quiet, variable).unwrap();
        assert_eq!(chosen(0, 0, None), Level::Info);
        assert_eq!([1, 2, 9].map(|times| chosen(times, 0, None)), [Level::Debug, Level::Trace, Level::Trace]);
        assert_eq!([1, 2, 9].map(|times| chosen(0, times, None)), [Level::Warn, Level::Error, Level::Error]);
        assert_eq!(chosen(0, 0, Some("warn")), Level::Warn);
        assert_eq!(chosen(1, 0, Some("warn")), Level::Debug);
    }

    #[test]
    fn a_list_for_the_log_has_a_level_for_the_rest() {
        let of = |text| Level::chosen(0, 0, Some(text)).unwrap();
        assert_eq!(of("prospect_server=trace,DEBUG"), Level::Debug);
        assert_eq!(
            (of("prospect_server=trace"), of(""), of("off")),
            (Level::Info, Level::Info, Level::Error)
        );
        let refused = Level::chosen(0, 0, Some("loud")).unwrap_err();
        assert!(refused.starts_with("PROSPECT_LOG=loud: expected error, warn, info"), "{refused}");
    }
}
