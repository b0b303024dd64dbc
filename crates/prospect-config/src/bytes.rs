//! Amounts of memory in the form in which people write them.

/// Reads an amount of bytes: `256MiB`, `1.5 GiB`, `64MB`, `4096` (bytes). `None` if the text is not an amount
/// above 0.
pub(crate) fn parse(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
    ];
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let bytes = number.trim().parse::<f64>().ok()? * unit as f64;
    // Beyond 2^53 a number of bytes is no longer exact, and no machine's.
    (bytes >= 1.0 && bytes <= (1u64 << 53) as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_what_is_none() {
        assert_eq!(parse("256MiB"), Some(256 << 20));
        assert_eq!(parse("1.5 GiB"), Some(3 << 29));
        assert_eq!(parse("64MB"), Some(64_000_000));
        assert_eq!(parse("4096"), Some(4096));
        assert_eq!(parse("12B"), Some(12));
        for wrong in ["", "MiB", "0", "-1MiB", "1TiB", "inf", "nan", "1e300", "12 apples"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
