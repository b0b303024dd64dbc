//! ProAssist's conversations.

use super::*;

/// A prepared sample, PROSPECT's extension beside it.
const SAMPLE: &str = r#"{"video_uid":"v","fps":2,"metadata":{"knowledge":"K","user_type":"no_talk"},"conversation":[
    {"role":"system","content":"Help."},{"role":"frames","start":0,"end":3},{"role":"user","content":"hi"}],
    "dst":[{"type":"step","id":"S1","start_ts":1,"end_ts":2,"name":"stir"}]}"#;
const VIDEO: &str = r#"{"video_uid":"v","inferred_knowledge":"K","conversations":[
    {"user_type":"no_talk","conversation":[{"role":"user","time":1.5,"content":"hi"}]},
    {"user_type":"talk_more","conversation":[{"role":"assistant","time":2,"content":"Stir."},
                                             {"role":"user","time":1,"content":"hi"}]}]}"#;

fn choosing(
    text: &str,
    video_uid: Option<&str>,
    user_type: Option<&str>,
) -> Result<Annotations, AnnotationsError> {
    let [video_uid, user_type] = [video_uid, user_type].map(|choice| choice.map(str::to_owned));
    let choice = Choice { video_uid, user_type, line: None };
    Annotations::parse_choosing(text, Path::new("a.json"), &choice)
}

fn refusal(text: &str, video_uid: Option<&str>, user_type: Option<&str>) -> String {
    let error = choosing(text, video_uid, user_type).unwrap_err();
    assert!(is_one_line(&error), "{error}");
    error.to_string()
}

#[test]
fn every_malformation_of_a_video_names_its_place() {
    let complaint = |from: &str, to: &str| complaint(json, VIDEO, from, to);
    assert!(complaint("1.5", "-1").contains("conversations[0].conversation[0].time is -1, expected seconds"));
    assert!(complaint("\"time\":1.5,", "").contains("conversations[0].conversation[0] has no time"));
    assert!(complaint("1.5", "\"1.5\"").contains("conversations[0].conversation[0]: invalid type: string"));
    assert!(
        complaint("\"user\"", "\"robot\"")
            .contains("conversations[0].conversation[0]: unknown variant `robot`")
    );
    assert!(
        complaint("\"role\":\"user\",", "")
            .contains("conversations[0].conversation[0]: missing field `role`")
    );
    assert!(
        complaint("\"content\"", "\"text\"")
            .contains("conversations[0].conversation[0]: missing field `content`")
    );
    assert!(
        complaint("\"conversation\":", "\"turns\":")
            .contains("conversations[0]: missing field `conversation`")
    );
    assert!(complaint("\"K\"", "[]").contains("not an annotation file: invalid type: sequence"));
    assert!(json(r#"{"conversations":[]}"#).unwrap_err().to_string().contains("conversations is empty"));
}

#[test]
fn every_malformation_of_a_sample_names_its_place() {
    let complaint = |from: &str, to: &str| complaint(json, SAMPLE, from, to);
    assert!(complaint("\"fps\":2,", "").contains("conversation[1] counts frames, expected the key `fps`"));
    assert!(complaint("\"fps\":2", "\"fps\":0").contains("fps is 0"));
    assert!(complaint("\"start\":0", "\"start\":4").contains("conversation[1] has the frames 4 to 3"));
    assert!(complaint("\"start\":0", "\"start\":-1").contains("conversation[1]: invalid value"));
    assert!(complaint("\"end\":3", "\"last\":3").contains("conversation[1]: missing field `end`"));
    assert!(complaint("{\"knowledge\":\"K\",\"user_type\":\"no_talk\"}", "\"{\"").contains("metadata: EOF"));
    assert!(complaint("\"step\"", "\"stage\"").contains("dst[0]: type is \"stage\""));
    assert!(complaint("\"end_ts\":2", "\"end_ts\":1").contains("dst[0] is from 1 s to 1 s"));
    assert!(complaint("\"start_ts\":1", "\"start_ts\":-1").contains("dst[0].start_ts is -1"));
    assert!(complaint("\"name\":\"stir\"", "\"name\":\"\"").contains("dst[0] has no name"));
    assert!(complaint("\"name\":\"stir\"", "\"title\":1").contains("dst[0]: missing field `name`"));
}

#[test]
fn a_conversation_can_be_chosen() {
    assert_eq!(script(&json(VIDEO).unwrap()), ["u 1.5 hi"]);
    let more = choosing(VIDEO, Some("v"), Some("talk_more")).unwrap();
    assert_eq!(script(&more), ["u 1 hi", "a 2 Stir."]);
    assert!(refusal(VIDEO, None, Some("talk_some")).contains(
        "no conversation of user_type \"talk_some\", expected one of [\"no_talk\", \"talk_more\"]"
    ));
    assert!(refusal(VIDEO, Some("w"), None).contains("no video of the video_uid \"w\""));
    assert_eq!(choosing(SAMPLE, None, Some("no_talk")).unwrap(), json(SAMPLE).unwrap());
    assert!(refusal(SAMPLE, None, Some("talk_some")).contains("expected one of [\"no_talk\"]"));
    assert!(refusal(TEA, None, Some("talk_some")).contains("holds one dialogue"));
}

#[test]
fn a_video_can_be_chosen() {
    let other = VIDEO.replace("\"v\"", "\"w\"").replace("\"hi\"", "\"hey\"");
    assert_eq!(json(&format!("[{VIDEO}]")).unwrap(), json(VIDEO).unwrap());
    let both = format!("[{VIDEO},{other}]");
    assert_eq!(script(&choosing(&both, Some("w"), None).unwrap()), ["u 1.5 hey"]);
    assert!(
        refusal(&both, None, None).contains("holds 2 videos, expected one, or the choice of a video_uid")
    );
    assert!(refusal(&both, Some("x"), None).contains("no video of the video_uid \"x\""));
    let broken = both.replace("\"time\":1.5,\"content\":\"hey\"", "\"content\":\"hey\"");
    assert!(refusal(&broken, Some("w"), None).contains("[1].conversations[0].conversation[0] has no time"));
}

#[test]
fn the_fixtures_read_as_their_authors_mean_them() {
    let video = json(TEA_PROASSIST).unwrap();
    assert!(video.task_knowledge.as_ref().unwrap().starts_with("Making Tea\n1. Boil water.\n2."));
    assert_eq!(
        script(&video),
        ["u 0 I want tea.", "a 0 Fill the kettle.", "a 40.5 It boils. Pour it over the leaves."]
    );
    let sample = json(TEA_PREPARED).unwrap();
    assert_eq!(sample.fps, Some(2.0));
    assert_eq!(sample.system_prompt.as_deref(), Some("You are a proactive assistant."));
    assert_eq!(sample.task_knowledge.as_deref(), Some("Making Tea\n1. Boil water."));
    // The summary at the end is an exercise.
    assert_eq!(
        script(&sample),
        ["u 0.5 I want tea.", "a 1 Fill the kettle.", "a 40.5 It boils. Pour it over the leaves."]
    );
    // Without metadata, the knowledge is the one that the sample tells the model.
    let bare = json(&TEA_PREPARED.replace("\"metadata\"", "\"other\"")).unwrap();
    assert_eq!(bare, sample);
}

#[test]
fn a_prepared_file_has_a_sample_on_each_line() {
    let sample = SAMPLE.replace('\n', "");
    let other = sample.replace("\"hi\"", "\"hey\"").replace("\"end\":3", "\"last\":3");
    let line = |text: &str, line| {
        let choice = Choice { line, ..Choice::default() };
        Annotations::parse_choosing(text, Path::new("val_L0_I1.jsonl"), &choice)
    };
    assert_eq!(line(&sample, None).unwrap(), json(SAMPLE).unwrap());
    let several = format!("{sample}\n\n{other}\n{{\n");
    assert_eq!(line(&several, Some(1)).unwrap(), json(SAMPLE).unwrap());
    let refusals =
        [(None, "holds 3 samples, expected one"), (Some(2), "holds 3 samples, expected one in line 2")];
    for (number, expected) in refusals {
        let error = line(&several, number).unwrap_err();
        assert_eq!(error.to_string(), format!("val_L0_I1.jsonl: {expected}"));
    }
    let place = line(&several, Some(3)).unwrap_err().to_string();
    assert!(place.contains("line 3: conversation[1]: missing field `end`"), "{place}");
    assert!(line(&several, Some(4)).unwrap_err().to_string().contains("line 4: EOF"));
}

#[test]
fn prospects_extension_brings_steps() {
    let text = SAMPLE
        .replace("{\"role\":\"frames\"", "{\"role\":\"DST_UPDATE\",\"content\":[]},{\"role\":\"frames\"");
    let annotations = json(&text).unwrap();
    assert_eq!((names(&annotations.steps), names(&annotations.substeps)), (vec!["stir"], vec!["stir"]));
    assert_eq!(script(&annotations), ["u 1.5 hi"]);
    let quoted =
        SAMPLE.replace("{\"knowledge\":\"K\",\"user_type\":\"no_talk\"}", r#""{\"knowledge\":\"Q\"}""#);
    assert_eq!(json(&quoted).unwrap().task_knowledge.as_deref(), Some("Q"));
}
