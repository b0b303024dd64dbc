//! What the variables of the hub's own libraries say.

use std::path::PathBuf;

use super::error::HubError;
use super::expansion::expanded;

/// Where the hub is unless `HF_ENDPOINT` says otherwise.
const PUBLIC_ENDPOINT: &str = "https://huggingface.co";

/// Where the cache lies and how the hub is reached.
#[derive(Clone)]
pub struct Environment {
    /// The cache folder: `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in `~/.cache/huggingface`.
    pub cache: PathBuf,
    /// Address of the hub without a slash at its end: `HF_ENDPOINT`.
    pub endpoint: String,
    /// What proves who asks: `HF_TOKEN`, or the file that `hf auth login` writes.
    pub token: Option<String>,
    /// Whether the network is not to be used: `HF_HUB_OFFLINE`.
    pub offline: bool,
    /// Whether a build with Xet fetches large files over HTTP all the same: `HF_HUB_DISABLE_XET`.
    pub disable_xet: bool,
}

impl Environment {
    /// As the process's variables say; `~` and `$NAME` in paths are what a shell would make of them.
    ///
    /// # Errors
    /// [`HubError::NoCache`] if there is no home folder either.
    pub fn of_this_process() -> Result<Self, HubError> {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| set(name).map(|path| PathBuf::from(expanded(&path, &variable)));
        let user = || path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")));
        let home = path("HF_HOME").or_else(|| Some(user()?.join("huggingface")));
        let named = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let cache = named.or_else(|| Some(home.as_ref()?.join("hub"))).ok_or(HubError::NoCache)?;
        let token_file = path("HF_TOKEN_PATH").or_else(|| Some(home?.join("token")));
        let written = || std::fs::read_to_string(token_file?).ok();
        let token = set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN")).or_else(written);
        let yes = |name: &str| set(name).is_some_and(|value| is_yes(&value));
        Ok(Self {
            cache,
            endpoint: set("HF_ENDPOINT")
                .unwrap_or_else(|| PUBLIC_ENDPOINT.to_owned())
                .trim_end_matches('/')
                .to_owned(),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: yes("HF_HUB_OFFLINE") || yes("TRANSFORMERS_OFFLINE"),
            disable_xet: yes("HF_HUB_DISABLE_XET"),
        })
    }
}

/// As the hub's Python library reads its switches.
fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Environment, HubError> {
        Environment::of(|name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    #[test]
    fn the_cache_is_where_the_variables_say() {
        let cache = |pairs: &[(&str, &str)]| with(pairs).unwrap().cache;
        assert_eq!(cache(&[("HOME", "/home/a")]), PathBuf::from("/home/a/.cache/huggingface/hub"));
        assert_eq!(
            cache(&[("HOME", "/home/a"), ("XDG_CACHE_HOME", "/c")]),
            PathBuf::from("/c/huggingface/hub")
        );
        assert_eq!(cache(&[("HOME", "/home/a"), ("HF_HOME", "/big")]), PathBuf::from("/big/hub"));
        assert_eq!(cache(&[("HF_HOME", "/big"), ("HF_HUB_CACHE", "/hub")]), PathBuf::from("/hub"));
        assert_eq!(cache(&[("HUGGINGFACE_HUB_CACHE", "/old")]), PathBuf::from("/old"));
        // No shell has read what a scheduler's or a service's settings say.
        let home = ("HOME", "/home/a");
        for (name, written, expected) in [
            ("HF_HOME", "~/x", "/home/a/x/hub"),
            ("HF_HOME", "$SCRATCH/hf", "/scratch/a/hf/hub"),
            ("HF_HUB_CACHE", "${SCRATCH}/hub", "/scratch/a/hub"),
            ("HUGGINGFACE_HUB_CACHE", "~/hub", "/home/a/hub"),
            ("XDG_CACHE_HOME", "~/c", "/home/a/c/huggingface/hub"),
        ] {
            let found = cache(&[home, ("SCRATCH", "/scratch/a"), (name, written)]);
            assert_eq!(found, PathBuf::from(expected), "{name}={written}");
        }
        assert!(matches!(with(&[]), Err(HubError::NoCache)));
    }

    #[test]
    fn the_endpoint_has_no_slash_at_its_end_and_a_switch_is_on_or_off() {
        let home = ("HOME", "/home/a");
        assert_eq!(with(&[home]).unwrap().endpoint, PUBLIC_ENDPOINT);
        assert_eq!(with(&[home, ("HF_ENDPOINT", "http://mirror:80/")]).unwrap().endpoint, "http://mirror:80");
        for (value, offline) in [("1", true), ("true", true), ("0", false), ("", false), ("no", false)] {
            assert_eq!(with(&[home, ("HF_HUB_OFFLINE", value)]).unwrap().offline, offline, "{value}");
        }
        assert!(with(&[home, ("TRANSFORMERS_OFFLINE", "YES")]).unwrap().offline);
        assert!(!with(&[home]).unwrap().disable_xet);
        assert!(with(&[home, ("HF_HUB_DISABLE_XET", "1")]).unwrap().disable_xet);
    }

    #[test]
    fn the_token_is_a_variable_or_the_file_that_a_login_writes() {
        let home = tempfile::tempdir().unwrap();
        let folder = ("HF_HOME", home.path().to_str().unwrap());
        assert_eq!(with(&[folder]).unwrap().token, None);
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        assert_eq!(with(&[folder]).unwrap().token.as_deref(), Some("hf_file"));
        assert_eq!(with(&[folder, ("HF_TOKEN", "hf_set")]).unwrap().token.as_deref(), Some("hf_set"));
        let other = home.path().join("other");
        std::fs::write(&other, "hf_other").unwrap();
        let elsewhere = ("HF_TOKEN_PATH", other.to_str().unwrap());
        assert_eq!(with(&[folder, elsewhere]).unwrap().token.as_deref(), Some("hf_other"));
        let below = [("HOME", home.path().to_str().unwrap()), ("HF_TOKEN_PATH", "~/other")];
        assert_eq!(with(&below).unwrap().token.as_deref(), Some("hf_other"));
    }
}
