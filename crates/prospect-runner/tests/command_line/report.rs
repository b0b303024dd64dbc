//! The report contains everything in the trace, and loads nothing from elsewhere.

use std::path::Path;

use serde_json::Value;

use crate::support::{assert_keeps_its_policy, escaped, program, repository, text, trace};

const STRATEGIES: [&str; 4] = ["sanity", "summarize_and_drop", "drop_middle", "none"];
const VIDEOS: [&str; 2] = ["video_001", "video_002"];

fn report(out: &Path) -> String {
    let videos = VIDEOS.map(|video| repository().join(format!("fixtures/workbench/videos/{video}.mp4")));
    let videos = videos.each_ref().map(|video| video.to_str().unwrap());
    let (out, strategies) = (out.to_str().unwrap(), STRATEGIES.join(","));
    let more = ["--out", out, "--strategies", &strategies, "--baseline", "none"];
    let output = program(&[["compare"].as_slice(), &videos, &more].concat()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::read_to_string(Path::new(out).join("report.html")).unwrap()
}

/// The part of the page that shows one run.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("id=\"{id}\"")).unwrap();
    let rest = &page[start..];
    &rest[..rest.find("</article>").unwrap()]
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn every_video_reply_eviction_and_summary_is_in_it() {
    let out = tempfile::tempdir().unwrap();
    let page = report(out.path());
    let (mut replies, mut evictions, mut summaries) = (0, 0, 0);
    for (number, video) in VIDEOS.iter().enumerate() {
        assert!(page.contains(&format!("<summary>{video}</summary>")));
        for (column, strategy) in STRATEGIES.iter().enumerate() {
            let events = trace(&out.path().join(strategy).join(video));
            let section = section(&page, &format!("v{number}s{column}"));
            let place = format!("{video} under {strategy}");
            assert!(section.contains(&format!("<b>{strategy}</b>")), "{place}");
            let spoken = of_kind(&events, "reply");
            assert_eq!(section.matches("data-reply=").count(), spoken.len(), "{place}");
            for reply in &spoken {
                assert!(section.contains(&escaped(reply["text"].as_str().unwrap())), "{place}: {reply}");
                // Its picture is embedded once, and shown beside the text and, if there is room, on the
                // timeline.
                let picture = format!("v{number}f{}", reply["frame"]);
                assert_eq!(page.matches(&format!("id=\"{picture}\"")).count(), 1, "{place}: {picture}");
                let shown = section.matches(&format!("href=\"#{picture}\"")).count();
                assert!((1..=2).contains(&shown), "{place}: {picture}");
            }
            let overflows = of_kind(&events, "overflow");
            assert_eq!(section.matches("data-eviction=").count(), overflows.len(), "{place}");
            assert_eq!(section.matches("class=\"cut\"").count(), overflows.len(), "{place}");
            for overflow in &overflows {
                let tokens = format!("{} → {}", overflow["tokens_before"], overflow["tokens_after"]);
                assert!(section.contains(&tokens), "{place}: {tokens}");
                for range in overflow["kept"].as_array().unwrap() {
                    assert!(section.contains(&format!("{}–{}", range[0], range[1])), "{place}: {range}");
                }
            }
            let written = of_kind(&events, "summary");
            assert_eq!(section.matches("data-summary=").count(), written.len(), "{place}");
            for summary in &written {
                let whole =
                    format!("<blockquote>{}</blockquote>", escaped(summary["text"].as_str().unwrap()));
                assert!(section.contains(&whole), "{place}: {summary}");
            }
            replies += spoken.len();
            evictions += overflows.len();
            summaries += written.len();
        }
    }
    assert!(replies > 20 && evictions > 4 && summaries > 2, "{replies} {evictions} {summaries}");
}

#[test]
fn it_needs_no_network_and_has_no_figure_that_is_none() {
    let out = tempfile::tempdir().unwrap();
    let page = report(out.path());
    assert_keeps_its_policy(&page);
    for foreign in ["<link", "@import", "url(", "<iframe", " src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("name=\"viewport\""));
    // With two videos there are no intervals, and figures that cannot be measured are not shown as NaN.
    assert!(!page.contains("NaN") && page.contains("class=\"best\""));
    // Every element that is referred to exists.
    for reference in page.split("href=\"#").skip(1) {
        let id = reference.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn its_tables_lie_beside_it() {
    let out = tempfile::tempdir().unwrap();
    report(out.path());
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
    let csv = read("comparison.csv");
    let names: Vec<&str> = csv.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, ["strategy", "sanity", "summarize_and_drop", "drop_middle", "none"]);
    assert!(csv.starts_with("strategy,f1,f1_low,f1_high,f1_difference,"));
    let latex = read("comparison.tex");
    assert!(latex.contains("\n  summarize\\_and\\_drop ") && latex.ends_with("\\end{tabular}\n"), "{latex}");
    assert!(!csv.contains("NaN") && !latex.contains("NaN"));
}

/// Text from a video that must not affect the page.
const HOSTILE: &str = "<script>alert('x')</script> & \"quoted\" </details>";

#[test]
fn hostile_words_failed_runs_and_a_video_that_is_gone_are_shown_as_what_they_are() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let video = folder.path().join("pictures.gif");
    std::fs::copy(repository().join("fixtures/workbench/videos/video_002.mp4"), &video).unwrap();
    let annotations = serde_json::json!({ "version": 1, "messages": [
        { "time": 0.0, "role": "assistant", "text": HOSTILE },
        { "time": 2.0, "role": "assistant", "text": "Nobody will say this." },
    ] });
    std::fs::write(video.with_extension("json"), annotations.to_string()).unwrap();
    let (source, out_path) = (video.to_str().unwrap(), out.path().to_str().unwrap());
    // Without substeps, the summary with dialogue states has no input.
    let strategies = "sanity,none,summarize_with_dst";
    let arguments = ["compare", source, "--strategies", strategies, "--out", out_path];
    let output = program(&[&arguments[..], &["--set", "stream.max_frames=12"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("1 of the runs failed"), "{}", text(&output.stderr));
    let read = || std::fs::read_to_string(out.path().join("report.html")).unwrap();
    let page = read();
    assert!(!page.contains("<script>alert") && page.contains(&escaped(HOSTILE)));
    assert_keeps_its_policy(&page);
    assert!(section(&page, "v0s0").contains("2 matched"));
    assert!(section(&page, "v0s1").contains("data-missed=\"2\""), "{}", section(&page, "v0s1"));
    let failed = section(&page, "v0s2");
    assert!(failed.contains("Failed: context.strategy"), "{failed}");
    assert_eq!(failed.matches("data-missed=").count(), 2, "{failed}");

    // The video and one trace were deleted. The rest is still shown.
    std::fs::remove_file(&video).unwrap();
    std::fs::remove_file(out.path().join("none/pictures/trace.jsonl")).unwrap();
    let merged = program(&["merge", out_path]).output().unwrap();
    assert!(text(&merged.stdout).starts_with("strategy"), "{}", text(&merged.stderr));
    let page = read();
    assert!(page.contains("no pictures: ") && page.contains(&escaped(HOSTILE)));
    assert!(section(&page, "v0s1").contains("No plots: "));
}
