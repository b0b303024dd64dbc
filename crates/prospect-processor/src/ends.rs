//! The tokens that end a reply, according to the checkpoint's files.

use serde_json::Value;

use crate::checkpoint_files::CheckpointFiles;
use crate::error::{ProcessorError, Result};

/// Reads `eos_token_id` of `generation_config.json`, or else of `config.json` or its `text_config`. As
/// in `transformers` it is a number or a list. The result is empty if no file has it.
pub(crate) fn end_tokens(files: &CheckpointFiles) -> Result<Vec<u32>> {
    for (file, section) in
        [("generation_config.json", None), ("config.json", None), ("config.json", Some("text_config"))]
    {
        let Some(config) = files.json(file)? else { continue };
        let place = section.map_or(Some(&config), |section| config.get(section));
        let Some(value) = place.and_then(|place| place.get("eos_token_id")).filter(|value| !value.is_null())
        else {
            continue;
        };
        return ids(value).ok_or_else(|| ProcessorError::BadValue {
            path: files.path(file),
            key: "eos_token_id".to_owned(),
            found: value.to_string().chars().take(60).collect(),
            expected: "a token id or a list of token ids",
        });
    }
    Ok(Vec::new())
}

fn ids(value: &Value) -> Option<Vec<u32>> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(list) => list.iter().map(id).collect(),
        one => id(one).map(|id| vec![id]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_says_something_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let files = CheckpointFiles::of_folder(folder.path());
        let ends = || end_tokens(&files).map_err(|error| error.to_string());
        assert_eq!(ends(), Ok(vec![]));
        write("config.json", r#"{"text_config": {"eos_token_id": 7}}"#);
        assert_eq!(ends(), Ok(vec![7]));
        write("config.json", r#"{"eos_token_id": 6, "text_config": {"eos_token_id": 7}}"#);
        assert_eq!(ends(), Ok(vec![6]));
        write("generation_config.json", r#"{"eos_token_id": null}"#);
        assert_eq!(ends(), Ok(vec![6]));
        write("generation_config.json", r#"{"eos_token_id": [3, 4]}"#);
        assert_eq!(ends(), Ok(vec![3, 4]));
        for wrong in ["-1", "[1, \"a\"]", "\"2\"", "4294967296", "1.5", "{}"] {
            write("generation_config.json", &format!(r#"{{"eos_token_id": {wrong}}}"#));
            assert!(ends().unwrap_err().ends_with("expected a token id or a list of token ids"), "{wrong}");
        }
    }
}
