//! Our own format.

use super::*;

const GOOD: &str = r#"{"version":1,"fps":2.0,"system_prompt":"Help.","task_knowledge":null,
    "messages":[{"time":0,"role":"user","text":"hi"},{"time":1.5,"role":"assistant","text":"Stir.","evidence":0.5},
                {"time":3,"role":"user","text":"next?"}],
    "substeps":[{"name":"stir","start":0,"end":2},{"name":"pour","start":2,"end":4}]}"#;

#[test]
fn lookups() {
    let annotations = json(GOOD).unwrap();
    assert_eq!(annotations.references().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["Stir."]);
    assert_eq!(annotations.requests().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["hi", "next?"]);
    assert_eq!(annotations.substep(1.99).unwrap().name, "stir");
    assert_eq!(annotations.substep(2.0).unwrap().name, "pour");
    assert_eq!(annotations.substep(4.0), None);
}

#[test]
fn every_malformation_names_its_place() {
    let complaint = |from: &str, to: &str| complaint(json, GOOD, from, to);
    assert!(complaint("\"version\":1", "\"version\":2").contains("version is 2, expected 1"));
    assert!(complaint("\"fps\":2.0", "\"fps\":0").contains("fps is 0"));
    assert!(complaint("\"fps\"", "\"rate\"").contains("unknown field `rate`"));
    assert!(complaint("\"fps\"", "\"ra\\nte\"").contains("unknown field `ra te`"));
    assert!(complaint("\"version\":1,", "").contains("missing field `version`"));
    assert!(complaint("assistant", "robot").contains("messages[1]: unknown variant `robot`"));
    assert!(
        complaint("\"name\":\"pour\"", "\"title\":\"pour\"").contains("substeps[1]: unknown field `title`")
    );
    assert!(complaint("\"name\":\"pour\"", "\"name\":\" \"").contains("substeps[1] has no name"));
    assert!(complaint("\"time\":0", "\"time\":-1").contains("messages[0].time is -1"));
    assert!(complaint("\"evidence\":0.5", "\"evidence\":-2").contains("messages[1].evidence is -2"));
    assert!(complaint("\"end\":2", "\"end\":-2").contains("substeps[0].end is -2"));
    assert!(complaint("\"time\":3", "\"time\":1").contains("messages[2] is at 1 s"));
    assert!(complaint("\"start\":0,\"end\":2", "\"start\":3,\"end\":4").contains("substeps[1] is at 2 s"));
    assert!(complaint("\"end\":2", "\"end\":0").contains("substeps[0] is from 0 s to 0 s"));
    assert!(complaint("]}", "").contains("not an annotation file"));
    assert!(complaint("]}", "]").contains("line 4 column"));
    assert!(json("[]").unwrap_err().to_string().contains("holds 0 videos"));
}

#[test]
fn steps_stand_in_for_missing_substeps_and_actions_may_be_instants() {
    let with = |lists: &str| json(&format!("{{\"version\":1,{lists}}}"));
    let entry = r#"[{"name":"a","start":1,"end":1}]"#;
    assert_eq!(names(&with(&format!("\"actions\":{entry}")).unwrap().actions), ["a"]);
    assert!(
        with(&format!("\"steps\":{entry}")).unwrap_err().to_string().contains("steps[0] is from 1 s to 1 s")
    );
    let steps = with(r#""steps":[{"name":"a","start":1,"end":2}]"#).unwrap();
    assert_eq!((names(&steps.steps), names(&steps.substeps)), (vec!["a"], vec!["a"]));
}

#[test]
fn the_fixture_has_every_list() {
    let tea = json(TEA).unwrap();
    assert_eq!((tea.messages.len(), tea.steps.len(), tea.substeps.len(), tea.actions.len()), (5, 2, 4, 1));
    assert_eq!(json(&format!("\u{feff}{TEA}")).unwrap(), tea);
}
