//! Annotation formats by their names.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use prospect_evaluation::annotations::Format;

/// The formats as the command line offers them.
pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    let named = |name: String| Format::ALL.into_iter().find(|format| format.name() == name);
    let names = PossibleValuesParser::new(Format::ALL.map(Format::name));
    names.try_map(move |name| named(name).ok_or("no format"))
}
