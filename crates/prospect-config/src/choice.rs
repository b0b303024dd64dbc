//! Settings whose value is one of a few names.

use prospect_context::PositionPolicy;

/// A closed set of names.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// The names with their values, in the order in which errors list them.
    const CHOICES: &'static [(&'static str, Self)];
}

impl Choice for PositionPolicy {
    const CHOICES: &'static [(&'static str, Self)] = &{
        let [first, second, third, fourth] = Self::ALL;
        [
            (first.as_str(), first),
            (second.as_str(), second),
            (third.as_str(), third),
            (fourth.as_str(), fourth),
        ]
    };
}

/// Declares an enum of names with `as_str`, `Display` and [`Choice`].
macro_rules! choice {
    ($(#[$meta:meta])* $vis:vis $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// The name as written in settings.
            $vis fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::choice::Choice for $name {
            const CHOICES: &'static [(&'static str, Self)] = &[$(($text, Self::$variant),)+];
        }
    };
}
pub(crate) use choice;
