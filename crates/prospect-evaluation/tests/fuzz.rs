//! Whatever the bytes of a file are: it is read, or refused in one line. Nothing panics.
//!
//! Short here; `PROSPECT_FUZZ=1000 cargo test --test fuzz` has a thousand times as many cases.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../prospect-model/tests/common/damaged.rs"]
mod damaged;
#[path = "../../prospect-model/tests/common/mutations.rs"]
mod mutations;

use damaged::{changed, here, one_line};
use mutations::{cases, mutate, mutations};
use proptest::prelude::*;
use prospect_evaluation::annotations::Annotations;
use prospect_evaluation::read_trace;
use prospect_session::broken_laws;

const ANNOTATIONS: [&str; 5] = [
    "tests/annotations/tea.json",
    "tests/annotations/tea.tsv",
    "tests/annotations/tea_prepared.json",
    "tests/annotations/tea_proassist.json",
    "../../fixtures/workbench/videos/video_000.json",
];

const TRACE: &str = r#"{"event":"run_started","schema_version":2,"config":{},"model":"m","source":"s","device":"cpu","threads":1,"dtype":"f32","strategy":"drop_middle","kv_bytes_per_token":4,"versions":{"prospect":"0"}}
{"event":"budget","max_seq_len":30,"reserved_seq_len":2,"max_reply_tokens":3,"max_summary_tokens":0}
{"event":"message","role":"system","text":"hi","time":0.0}
{"event":"reply","frame":0,"time":0.0,"text":"a","token_ids":[1,2]}
{"event":"frame","index":0,"time":0.0,"segments":[{"kind":"system","tokens":10,"pinned":true},{"kind":"frame","tokens":9,"pinned":false}],"cache_tokens":19,"vision_ms":1.0,"decode_ms":1.0,"total_ms":2.0}
{"event":"overflow","time":0.5,"strategy":"drop_middle","trigger":"no_room","incoming":9,"tokens_before":19,"tokens_after":14,"kept":[[0,10],[15,17]],"put_back":[{"kind":"summary","tokens":2}],"positions":"rerotate","positions_reset":false,"ms":1.0}
{"event":"frame","index":1,"time":0.5,"segments":[{"kind":"frame","tokens":9,"pinned":false}],"cache_tokens":23,"vision_ms":1.0,"decode_ms":1.0,"total_ms":2.0}
{"event":"run_finished","frames":2,"frames_dropped":0,"replies":1,"overflows":1,"peak_cache_tokens":25,"p50_ms":2.0,"p95_ms":2.0,"p99_ms":2.0}
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn annotations(file in prop::sample::select(&ANNOTATIONS[..]), changes in mutations()) {
        let (_folder, file) = changed(&here(file), &changes);
        match Annotations::from_file(&file) {
            Ok(annotations) => {
                let _ = (annotations.substep(1.0), annotations.references().count());
            }
            Err(error) => one_line(&error)?,
        }
    }

    #[test]
    fn traces(changes in mutations()) {
        let mut text = TRACE.as_bytes().to_vec();
        mutate(&mut text, &changes);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace.jsonl");
        std::fs::write(&file, text).unwrap();
        match read_trace(&file) {
            Ok(events) => drop(broken_laws(&events)),
            Err(error) => one_line(&error)?,
        }
    }
}
