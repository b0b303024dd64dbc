//! Examples at the end of every command's `--help`: lines that can be copied.

pub(super) const PROGRAM: &str = "\
Examples:
  prospect-runner run
  prospect-runner run kitchen.mp4 --model 500m --preset watch
  prospect-runner doctor

PROSPECT_LOG=error, warn, info, debug or trace says how much goes to standard error, where neither \
-v nor -q does.

Exit codes: 0 done, also where Ctrl-C ends a live stream; 1 failed at work; 2 refused, because \
something has to be asked differently; 130 interrupted.";

pub(super) const RUN: &str = "\
Examples:
  prospect-runner run kitchen.mp4 --model 500m --preset watch
  prospect-runner run rtsp://camera/1 --model 500m --ask \"Who is there?\"
  prospect-runner run kitchen.mp4 --srt --report --burn said.mp4

Ctrl-C is the end of a live stream (a camera, a network stream, source.live=true): the run closes \
its trace, shows its figures and exits with 0. Any other run is interrupted and exits with 130. \
So does a live one with --checkpoint, which goes on with --resume.";

#[cfg(feature = "serve")]
pub(super) const SERVE: &str = "\
Examples:
  prospect-runner serve
  prospect-runner serve --model 500m --camera hall=rtsp://camera/1
  prospect-runner serve --listen 0.0.0.0:8642 --api-key-file keys.txt

docs/serve.md describes the interface. PROSPECT_LOG (or RUST_LOG) takes the log's directives as \
well, like prospect_server=debug,info.";

pub(super) const GENERATE: &str = "\
Examples:
  prospect-runner generate --model 500m --image a.png --prompt \"What is this?\"
  prospect-runner generate --model 500m --video a.mp4 --prompt \"What happens?\"";

pub(super) const COMPARE: &str = "\
Examples:
  prospect-runner compare videos/ --strategies unlimited,drop_middle,drop_all
  prospect-runner compare one.mp4 two.mp4 --out out/two --json";

pub(super) const EVAL: &str = "\
Examples:
  prospect-runner eval videos/ --strategy drop_all
  prospect-runner eval videos/ --shard 0/8 --checkpoint-every 120";

pub(super) const SIMULATE: &str = "\
Examples:
  prospect-runner simulate out/kitchen --strategies drop_all,sink_window
  prospect-runner simulate out/kitchen --strategies hybrid,keyframes";

pub(super) const REPORT: &str = "\
Examples:
  prospect-runner report out/kitchen
  prospect-runner report out/kitchen --video moved/kitchen.mp4";

pub(super) const MERGE: &str = "\
Examples:
  prospect-runner merge out/part-0 out/part-1 --out out/all";

pub(super) const BENCH: &str = "\
Examples:
  prospect-runner bench --shape 256m --cache 1024 --stream
  prospect-runner bench --shape small --streams 1,2,4 --json";

pub(super) const DOWNLOAD: &str = "\
Examples:
  prospect-runner download 500m
  prospect-runner download HuggingFaceTB/SmolVLM2-2.2B-Instruct@main";

pub(super) const PARITY: &str = "\
Examples:
  prospect-runner parity --dtype bf16
  prospect-runner parity --shape small --quantize q8";

pub(super) const INSPECT: &str = "\
Examples:
  prospect-runner inspect
  prospect-runner inspect 256m --json";

pub(super) const CONVERT: &str = "\
Examples:
  prospect-runner convert annotations.json --to prospect
  prospect-runner convert dialogues.json --to prospect --output kitchen.json";

pub(super) const DOCTOR: &str = "\
Examples:
  prospect-runner doctor
  prospect-runner --version";

pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(prospect-runner completions bash)
  prospect-runner completions fish | source";

pub(super) const MAN: &str = "\
Examples:
  prospect-runner man ~/.local/share/man/man1
  prospect-runner man target/man";
