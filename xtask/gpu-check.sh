#!/bin/sh
# Everything that only a GPU can show, in one go: parity with f32 on the CPU, every strategy, speed with its floors, ten minutes of
# stream with memory flat. Needs the binary and this repository, nothing else; docs/gpu.md.
#
#   xtask/gpu-check.sh [BINARY] [DEVICE] [SOAK SECONDS] [SHAPES]
#
# DEVICE is cuda by default; `cpu` runs the same checks of the plain kernels in f16 and of the CPU's own, to try the script.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
binary=${1:-$root/target/cuda/release/prospect-runner}
device=${2:-cuda}
soak=${3:-600}
shapes=${4:-256m 500m 2.2b}
out=$root/target/gpu-check
video=$root/fixtures/workbench/videos/video_000.mp4
mkdir -p "$out" && cd "$root" || exit 1
failed=0
table=$out/table.txt
: > "$table"

# check NAME COMMAND...: its output goes to a file, its success into the table.
check() {
  name=$1; shift
  printf '... %s\n' "$name" >&2
  log=$out/$(printf '%s' "$name" | tr ' /:' '---').txt
  if "$@" > "$log" 2>&1; then result=ok; else result=FAILED; failed=1; fi
  printf '%-46s %s\n' "$name" "$result" >> "$table"
}

# number FILE KEY: the largest value of a key in pretty JSON, 0 if there is none.
number() { sed -n "s/^ *\"$2\": \([0-9.eE+-]*\),*$/\1/p" "$1" | sort -g | tail -1 | grep . || echo 0; }

# within NAME VALUE LIMIT
within() {
  if awk "BEGIN { exit !($2 < $3) }"; then result=ok; else result=FAILED; failed=1; fi
  printf '%-46s %-8s %s, limit %s\n' "$1" "$result" "$2" "$3" >> "$table"
}

case $device in
  cpu) kinds='f16:--set=model.kernels=plain f32:--set=model.kernels=plain' ;;
  *) kinds='bf16: f16: bf16:--set=model.kernels=plain f32:' ;;
esac
for kind in $kinds; do
  dtype=${kind%%:*}; extra=${kind#*:}; name="parity $dtype${extra:+ plain}"
  check "$name" "$binary" parity "$video" --device "$device" --dtype "$dtype" ${extra:+"$extra"} --json
  file=$out/$(printf '%s' "$name" | tr ' ' '-').txt
  [ -s "$file" ] || continue
  for what in vision logits cache; do within "  $name: $what" "$(number "$file" $what)" 1e-2; done
  # A token may differ where the reference hardly prefers its own.
  within "  $name: margin of what differs" "$(number "$file" margin)" 0.2
done

for strategy in drop_all drop_middle sink_window drop_oldest_frames keyframes summarize_and_drop summarize_with_dst hybrid none; do
  check "run $strategy" "$binary" run "$video" --device "$device" --strategy "$strategy" --out "$out/run-$strategy"
done
for positions in rerotate preserve legacy recompute; do
  check "compare drop_middle:$positions" "$binary" compare "$video" --device "$device" \
    --strategies "drop_middle:$positions" --out "$out/compare-$positions"
done

for shape in $shapes; do
  dtypes='bf16'; [ "$device" = cpu ] && dtypes='f32'
  for dtype in $dtypes; do
    check "bench $shape $dtype" "$binary" bench --shape "$shape" --device "$device" --dtype "$dtype" --stream --evictions
  done
  # Head size 72 of the vision tower of 2.2b: fused or not, in one look.
  [ "$device" = cpu ] || check "bench $shape plain" "$binary" bench --shape "$shape" --device "$device" --dtype bf16 \
    --set model.kernels=plain
done

shape=${shapes%% *}
check "soak $shape ${soak}s" "$binary" bench --shape "$shape" --device "$device" --soak "$soak"
file=$out/soak-$shape-${soak}s.txt
if [ -s "$file" ]; then
  for place in memory device; do
    first=$(number "$file" "${place}_first"); last=$(number "$file" "${place}_last")
    [ "$first" = 0 ] || within "  $place, last to first" "$(awk "BEGIN { print $last / $first }")" 1.05
  done
fi

printf '\n'
cat "$table"
for log in "$out"/bench-*.txt; do printf '\n%s\n' "$(basename "$log" .txt)"; cat "$log"; done
printf '\ndetails: %s\n' "$out"
exit $failed
