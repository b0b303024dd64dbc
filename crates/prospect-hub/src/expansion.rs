//! `~` and `$NAME` in paths that no shell has read, such as those of a scheduler's or a service's settings.

/// A path as the hub's Python library takes it, `os.path.expandvars(os.path.expanduser(path))`: a leading `~` or `~user` is a home
/// folder, `$NAME` and `${NAME}` are variables, and what is not known stays as it is written.
pub(super) fn expanded(path: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let path = with_home(path, &variable).unwrap_or_else(|| path.to_owned());
    let (mut text, mut rest) = (String::with_capacity(path.len()), path.as_str());
    while let Some((before, behind)) = rest.split_once('$') {
        text.push_str(before);
        let (name, written) = reference(behind);
        match name.and_then(&variable) {
            Some(value) => text.push_str(&value),
            None => text.push_str(&rest[before.len()..before.len() + 1 + written]),
        }
        rest = &behind[written..];
    }
    text + rest
}

/// The name that a text behind a `$` begins with, and how many bytes it takes.
fn reference(text: &str) -> (Option<&str>, usize) {
    if let Some((name, _)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (Some(name), name.len() + 2);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    ((end > 0).then(|| &text[..end]), end)
}

/// The path with a home folder in place of a leading `~` or `~user`.
fn with_home(path: &str, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let behind = path.strip_prefix('~')?;
    let (user, rest) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
    let home = if user.is_empty() { variable("HOME")? } else { home_of(user)? };
    let joined = format!("{}{rest}", home.trim_end_matches('/'));
    Some(if joined.is_empty() { "/".to_owned() } else { joined })
}

/// The home folder of a user of this machine.
fn home_of(user: &str) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    Some((*users.find(|fields| fields.first() == Some(&user))?.get(5)?).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11 makes of the same, with HOME=/home/a, X=/big and EMPTY set to nothing.
    #[test]
    fn paths_are_pythons() {
        let variable = |name: &str| {
            let set =
                [("HOME", "/home/a"), ("X", "/big"), ("EMPTY", ""), ("TILDE", "~/y"), ("LOOP", "$LOOP")];
            set.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
        };
        for (path, expected) in [
            ("/plain/path", "/plain/path"),
            ("~", "/home/a"),
            ("~/x", "/home/a/x"),
            ("/a/~/x", "/a/~/x"),
            ("$X/hub", "/big/hub"),
            ("${X}y/$X", "/bigy//big"),
            ("$Xy/hub", "$Xy/hub"),
            ("~/$EMPTY/x", "/home/a//x"),
            ("$TILDE/z", "~/y/z"),
            ("$LOOP", "$LOOP"),
            ("$$X", "$/big"),
            ("cost$", "cost$"),
            ("${X", "${X"),
            ("${UNKNOWN}/a", "${UNKNOWN}/a"),
            ("~nobody-has-this-name/x", "~nobody-has-this-name/x"),
            ("~/ä$X", "/home/a/ä/big"),
        ] {
            assert_eq!(expanded(path, variable), expected, "{path}");
        }
        assert_eq!(expanded("~/x", |_| None), "~/x");
        assert_eq!(expanded("~/x", |name| (name == "HOME").then(|| "/".to_owned())), "/x");
    }

    #[test]
    fn another_user_has_a_home_too() {
        let root = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let Some(home) = root.lines().find_map(|line| line.strip_prefix("root:")?.split(':').nth(4)) else {
            return;
        };
        assert_eq!(expanded("~root/x", |_| None), format!("{home}/x"));
    }
}
