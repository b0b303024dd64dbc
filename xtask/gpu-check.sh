#!/bin/sh
# Everything that only a GPU can show, in one go: parity with f32 on the CPU, every strategy, speed with its floors, a stream with
# memory flat. Needs the binary and this repository, nothing else; docs/gpu.md.
#
#   xtask/gpu-check.sh [--quick] [BINARY] [DEVICE] [SHAPES]
#
# At most 75 minutes (MINUTES=N says otherwise); what there is no time left for counts as failed. --quick is the same with the small
# shape, one run of each stage and five seconds of stream, in a few minutes at most: to try the script, also with DEVICE cpu, which
# compares plain kernels in bf16 and f16 with the CPU's own.
#
# No stage depends on another. Outputs, the table and all of it as one archive are in target/gpu-check/TIME. Exit code: 0 if everything
# held, 1 if something did not, 2 if nothing could be tried.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) && cd "$root" || exit 2
quick=0
[ "${1:-}" = --quick ] && { quick=1; shift; }
binary=${1:-$root/target/cuda/release/prospect-runner}
device=${2:-cuda}
if [ $quick = 1 ]; then
  shapes=${3:-small}; minutes=${MINUTES:-10}; soak=5; bench='--repeats 1 --cache 0,1024'
  # In seconds a heap has not settled.
  flat=1.5
else
  shapes=${3:-256m 500m 2.2b}; minutes=${MINUTES:-75}; soak=600; bench='--repeats 7'; flat=1.05
fi
video=$root/fixtures/workbench/videos/video_000.mp4
started=$(date +%s)
deadline=$((started + minutes * 60))
out=$root/target/gpu-check/$(date -u +%Y%m%d-%H%M%S)
mkdir -p "$out" || exit 2
table=$out/table.txt
failed=0

# row NAME RESULT [DETAIL]
row() {
  printf '%-46s %-8s %s\n' "$1" "$2" "${3:-}" >> "$table"
  [ "$2" = ok ] || failed=1
}

file_of() { printf '%s/%s.txt' "$out" "$(printf '%s' "$1" | tr ' /:' '---')"; }

# check LIMIT NAME COMMAND...: for at most LIMIT seconds; its output goes to a file, its success into the table.
check() {
  limit=$1; name=$2; shift 2
  log=$(file_of "$name")
  now=$(date +%s)
  left=$((deadline - now))
  if [ "$left" -le 0 ]; then row "$name" FAILED "no time left"; return 1; fi
  [ "$left" -lt "$limit" ] && limit=$left
  printf '%5d s  %s\n' $((now - started)) "$name" >&2
  timeout -k 10 "$limit" "$@" > "$log" 2> "$log.err"
  code=$?
  took="$(($(date +%s) - now)) s"
  case $code in
    0) row "$name" ok "$took" ;;
    124 | 137) row "$name" FAILED "not done in $limit s" ;;
    *) row "$name" FAILED "exit code $code: $(tail -n 1 "$log.err" | cut -c1-120)" ;;
  esac
  return $code
}

# number FILE KEY: the largest value of a key in pretty JSON; nothing if there is none.
number() { sed -n "s/^ *\"$2\": \([0-9.eE+-]*\),*$/\1/p" "$1" | sort -g | tail -n 1; }

# within NAME VALUE LIMIT
within() {
  if [ -z "$2" ]; then row "$1" FAILED "no figure"; return; fi
  if awk "BEGIN { exit !($2 < $3) }"; then result=ok; else result=FAILED; fi
  row "$1" $result "$(printf '%.3g' "$2"), limit $3"
}

# parity NAME LIMIT OF ALL, LIMIT OF THE WORST, ARGUMENTS...
parity() {
  name=$1 all=$2 worst=$3; shift 3
  check 600 "$name" "$binary" parity --device "$device" --json "$@" || return
  file=$(file_of "$name")
  for what in vision logits cache; do within "  $what" "$(number "$file" $what)" "$all"; done
  for what in vision logits; do within "  $what, worst one" "$(number "$file" ${what}_worst)" "$worst"; done
  # Where a token differs, the reference hardly prefers its own.
  margin=$(number "$file" margin)
  within "  tokens that differ: $(grep -c '"margin"' "$file"), margin" "${margin:-0}" 0.25
}

# compared TRACE: its events, without what is measured.
compared() { grep -v '"event":"run_finished"' "$1" | sed 's/"[a-z_]*\(ms\|bytes\)":[^,}]*//g'; }

finish() {
  trap - EXIT INT TERM
  {
    printf '%s\n' "$(cd "$root" && git rev-parse --short HEAD 2> /dev/null) on $device, $((($(date +%s) - started) / 60)) minutes"
    head -n 1 "$out/nvidia-smi.txt" 2> /dev/null
    cat "$table"
    for log in "$out"/bench-*.txt "$out"/stream-*.txt; do
      [ -s "$log" ] && { printf '\n%s\n' "$(basename "$log" .txt)"; cat "$log"; }
    done
  } > "$out/summary.txt"
  printf '\n'
  cat "$out/summary.txt"
  (cd "$out/.." && tar -czf "$out.tar.gz" --exclude='*.html' "$(basename "$out")") 2> /dev/null && archive=" and $out.tar.gz"
  printf '\ndetails: %s%s\n' "$out" "${archive:-}"
  exit "$1"
}
trap 'finish 1' EXIT INT TERM

printf 'at most %s minutes, outputs in %s\n' "$minutes" "$out" >&2
: > "$table"
command -v nvidia-smi > /dev/null &&
  nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader > "$out/nvidia-smi.txt" 2>&1
if ! check 120 "a few frames" "$binary" run "$video" --device "$device" --set stream.max_frames=5 --out "$out/first"; then
  finish 2
fi

case $device in
  cpu)
    parity "parity bf16 plain" 1e-2 5e-2 "$video" --dtype bf16 --set model.kernels=plain
    parity "parity f16 plain" 2e-3 1e-2 "$video" --dtype f16 --set model.kernels=plain
    ;;
  *)
    parity "parity bf16" 1e-2 5e-2 "$video" --dtype bf16
    parity "parity f16" 2e-3 1e-2 "$video" --dtype f16
    parity "parity f32" 1e-4 5e-4 "$video" --dtype f32
    parity "parity bf16 plain" 1e-2 5e-2 "$video" --dtype bf16 --set model.kernels=plain
    parity "parity bf16 graph" 1e-2 5e-2 "$video" --dtype bf16 --set model.kernels=graph
    ;;
esac
# Random weights make a rounding ten times as large; a kernel that is wrong is off by 1.
for shape in $shapes; do
  case $device in
    cpu) parity "parity $shape bf16 plain" 5e-2 1e-1 --shape "$shape" --dtype bf16 --set model.kernels=plain ;;
    *) parity "parity $shape bf16" 5e-2 1e-1 --shape "$shape" --dtype bf16 ;;
  esac
done

dtype=bf16; [ "$device" = cpu ] && dtype=f32
for shape in $shapes; do
  # shellcheck disable=SC2086
  check 600 "bench $shape $dtype" "$binary" bench --shape "$shape" --device "$device" --dtype $dtype --stream --evictions $bench
  [ "$device" = cpu ] && continue
  # A word as one graph; and head size 72 of the vision tower of 2.2b, fused or not, in one look.
  for kernels in graph plain; do
    # shellcheck disable=SC2086
    check 600 "bench $shape $kernels" "$binary" bench --shape "$shape" --device "$device" --dtype bf16 \
      --set model.kernels=$kernels $bench
  done
done

# The next frame encoded beside the words of this one, or after them: the same events either way, and what it brings.
ahead=$out/ahead in_turn=$out/in-turn
check 120 "run with vision ahead" "$binary" run "$video" --device "$device" --set model.encode_ahead=on --out "$ahead" &&
  check 120 "run with vision in turn" "$binary" run "$video" --device "$device" --set model.encode_ahead=off --out "$in_turn" && {
  for folder in "$ahead" "$in_turn"; do compared "$folder/trace.jsonl" | grep -v '"event":"run_started"' > "$folder/compared"; done
  check 10 "  the same events" cmp "$ahead/compared" "$in_turn/compared"
}

[ "$device" = cpu ] ||
  check 120 "run with words as graphs" "$binary" run "$video" --device "$device" --set model.kernels=graph --out "$out/run-graph"

for strategy in drop_all drop_middle sink_window recent_frames anchor_fifo drop_oldest_frames keyframes events summarize_and_drop summarize_with_dst hybrid none; do
  check 120 "run $strategy" "$binary" run "$video" --device "$device" --strategy "$strategy" --out "$out/run-$strategy"
done
for positions in rerotate preserve legacy recompute; do
  check 120 "run drop_middle $positions" "$binary" run "$video" --device "$device" --strategy drop_middle \
    --set "context.positions=$positions" --out "$out/run-$positions"
done
# Written down now and then, gone on with from the last time, and the same replies as before.
kept=$out/kept
check 120 "run with checkpoints" "$binary" run "$video" --device "$device" --checkpoint "$out/stream" --checkpoint-every 50 \
  --out "$kept" && cp "$kept/trace.jsonl" "$out/whole.jsonl" &&
  check 120 "run resumed" "$binary" run "$video" --device "$device" --checkpoint "$out/stream" --resume --out "$kept" && {
  for trace in "$out/whole.jsonl" "$kept/trace.jsonl"; do compared "$trace" > "$trace.compared"; done
  check 10 "  the same events" cmp "$out/whole.jsonl.compared" "$kept/trace.jsonl.compared"
}

shape=${shapes%% *}
# As long as there is time for.
left=$((deadline - $(date +%s) - 60))
[ "$left" -gt 10 ] && [ "$left" -lt "$soak" ] && soak=$left
check $((soak + 120)) "stream $shape ${soak} s" "$binary" bench --shape "$shape" --device "$device" --soak "$soak"
file=$(file_of "stream $shape ${soak} s")
for place in memory device; do
  first=$(number "$file" "${place}_first"); last=$(number "$file" "${place}_last")
  # The CPU has no memory of a device, and says so with null.
  grep -q "\"${place}_first\": null" "$file" && continue
  within "  $place at the end to that after a tenth" "$(awk "BEGIN { if (\"$first\" > 0) print $last / $first }" 2> /dev/null)" $flat
done
finish $failed
