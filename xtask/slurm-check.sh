#!/usr/bin/env bash
# Runs configs/deploy/slurm/eval.sbatch on a real Slurm of one node, and compares what its arrays merge to with one run of all videos.
#
#   xtask/slurm-check.sh [BINARY]          # as root; installs slurm-wlm and munge from Debian where they are missing
#
# Arrays without gaps merge to the figures of one run; arrays with gaps refuse in at least one task, and never do a part twice;
# requeue and scancel in the middle, and a video longer than the time limit, lose nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:-target/release/prospect-runner}")
work=$(mktemp -d /tmp/slurm-check.XXXXXX)
host=$(hostname -s)
failed=0

command -v slurmctld >/dev/null || { apt-get update -q && apt-get install -qy slurm-wlm munge; }

started=()
end() {
    scancel --user=root >/dev/null 2>&1 || true
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    sleep 1
    for pid in "${started[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    [ "$failed" -ne 0 ] || rm -rf "$work"
}
trap end EXIT

# A munge and a Slurm of our own, in a folder of our own.
mkdir -p "$work"/{munge,state,spool,log,out}
chmod 755 "$work"
chmod 700 "$work/munge"
dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none
chmod 400 "$work/munge/key"
munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
    --log-file="$work/log/munged" --seed-file="$work/munge/seed" >/dev/null 2>&1 &
started+=($!)
cat >"$work/slurm.conf" <<CONF
ClusterName=check
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/ctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
KillWait=5
OverTimeLimit=0
# A task that comes back does so at once.
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1
BatchStartTimeout=10
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm.conf
sleep 1
slurmctld -D >/dev/null 2>&1 &
started+=($!)
slurmd -D >/dev/null 2>&1 &
started+=($!)
for _ in $(seq 60); do sinfo -h -o %T 2>/dev/null | grep -q idle && break; sleep 1; done
sinfo -h -o %T | grep -q idle || { failed=1; echo "Slurm did not start: see $work/log" >&2; exit 1; }

# Thirteen videos of the workbench, links under names of their own.
mkdir "$work/videos"
videos=(fixtures/workbench/videos/*.mp4)
for number in $(seq 0 12); do
    video=$(realpath "${videos[$((number % ${#videos[@]}))]}")
    ln -s "$video" "$work/videos/v$number.mp4"
    ln -s "${video%.mp4}.json" "$work/videos/v$number.json"
done

submit() { # name, array, dataset, more options of sbatch ... -- more arguments of eval
    local name=$1 array=$2 dataset=$3 options=() job
    shift 3
    while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
    [ $# -eq 0 ] || shift
    job=$(PROSPECT=$binary sbatch --parsable --array="$array" --cpus-per-task=1 --mem=0 --time=5 --output="$work/log/$name-%a" \
        "${options[@]}" configs/deploy/slurm/eval.sbatch "$dataset" "$work/out/$name" "$@")
    echo "$job"
}
wait_for() { # job
    for _ in $(seq 600); do [ -z "$(squeue -h -j "$1" 2>/dev/null)" ] && return; sleep 1; done
    echo "job $1 does not end" >&2
}
judged() { # folder: what was judged of every video, which no time of the machine is part of
    for number in $(seq 0 12); do
        sed -n '/"error"/,/"cost"/p' "$1"/*/"v$number/result.json"
    done
}
say() { printf '%-32s %s\n' "$1" "$2"; }
same() { # name
    if [ "$(judged "$work/out/$1" 2>&1)" = "$(judged "$work/out/whole")" ] && "$binary" merge "$work/out/$1" >/dev/null; then
        say "$1" "merges to what one run gives"
    else
        failed=1; say "$1" "DIFFERS from one run: see $work/log"
    fi
}

# A check of what an interruption leaves is one only if a run was interrupted in the middle of a video, and went on there.
under_way() { # name: waits for the sixth frame of v0, which is the first task's, and keeps the trace so far
    local trace
    for _ in $(seq 120); do
        trace=$(ls "$work/out/$1"/*/v0/trace.jsonl 2>/dev/null | head -1) || true
        if [ -n "$trace" ] && grep -q '"event":"frame","index":5,' "$trace"; then
            cp "$trace" "$work/$1.trace"
            return
        fi
        sleep 0.5
    done
    echo "$1 does not come to its sixth frame: see $work/log" >&2
}
went_on() { # name: its log tells of an interruption, and the trace begins with what was there before, measured times and all
    local trace
    trace=$(ls "$work/out/$1"/*/v0/trace.jsonl 2>/dev/null | head -1) || true
    [ -s "$work/$1.trace" ] && [ -n "$trace" ] && grep -q interrupted "$work/log/$1-0" &&
        cmp -s -n "$(stat -c %s "$work/$1.trace")" "$work/$1.trace" "$trace"
}
restarts() { # job: how often Slurm began it again
    scontrol show job "$1" 2>/dev/null | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p' | head -1 || true
}

RAYON_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$binary" eval "$work/videos" --out "$work/out/whole" >/dev/null
for array in 1-4 0-30:10 1-6%2 0-19; do
    name="array_${array//[:%]/_}"
    wait_for "$(submit "$name" "$array" "$work/videos")"
    same "$name"
done
for array in 0-2,4-8:2 1-3,7 3,5,9; do
    name="crooked_${array//[,:]/_}"
    wait_for "$(submit "$name" "$array" "$work/videos")"
    if grep -l "without gaps" "$work/log/$name"-* >/dev/null && ! "$binary" merge "$work/out/$name" >/dev/null 2>&1; then
        say "$array" "refused by $(grep -l 'without gaps' "$work/log/$name"-* | wc -l) of $(ls "$work/log/$name"-* | wc -l) tasks"
    else
        failed=1; say "$array" "NOT REFUSED"
    fi
done

# Slow enough to be interrupted: at the video's own pace, twice and more.
slow=(--set source.realtime=true --set source.policy=block --set stream.fps=2)
job=$(submit requeued 0-1 "$work/videos" -- "${slow[@]}" --set stream.max_frames=40)
under_way requeued
scontrol requeue "${job}_0" || true
wait_for "$job"
again=$(restarts "${job}_0")
mkdir -p "$work/one"
cp -P "$work"/videos/v0.* "$work/one"
RAYON_NUM_THREADS=1 "$binary" eval "$work/videos" --out "$work/out/short" --set stream.max_frames=40 >/dev/null
if [ "${again:-0}" -lt 1 ] || ! went_on requeued; then
    failed=1; say requeue "DID NOT GO ON (${again:-0} restarts): see $work/log/requeued-0"
elif [ "$(judged "$work/out/requeued")" = "$(judged "$work/out/short")" ]; then
    say requeue "loses nothing in $again restarts"
else
    failed=1; say requeue "DIFFERS"
fi

# A minute of video in real time under a limit of one minute: --signal comes at once, so that the task needs several turns.
job=$(submit long 0-0 "$work/one" --time=1 --signal=TERM@40 -- "${slow[@]}")
wait_for "$job"
turns=$(grep -c "interrupted" "$work/log/long-0" || true)
if [ -f "$work"/out/long/*/v0/result.json ] && [ "$turns" -ge 1 ]; then
    say "longer than the limit" "ended after $turns interruptions"
else
    failed=1; say "longer than the limit" "DID NOT END ($turns interruptions): see $work/log/long-0"
fi
job=$(submit cancelled 0-0 "$work/one" -- "${slow[@]}")
under_way cancelled
scancel --signal=TERM "${job}_0" || true
sleep 3
scancel "$job" || true
wait_for "$job"
wait_for "$(submit cancelled 0-0 "$work/one" -- "${slow[@]}")"
if [ -f "$work"/out/cancelled/*/v0/result.json ] && went_on cancelled; then
    say scancel "the next job goes on"
else
    failed=1; say scancel "LOST: see $work/log/cancelled-0"
fi
exit "$failed"
