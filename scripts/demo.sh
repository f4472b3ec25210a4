#!/bin/sh
# The main job from end to end: train, evaluate, trace, report, replay, audit. `make demo` runs it.
# STEPS, EPISODES, SEED and PRESET change what is trained and how much is played. The audit takes fewer plays
# for prices and other conditions than by default, so its intervals are wider.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

preset=${PRESET:-raw}
steps=${STEPS:-104000}
seed=${SEED:-1}
episodes=${EPISODES:-100}

mkdir -p runs
number=1
while [ -e "runs/demo-$number" ]; do number=$((number + 1)); done
run=runs/demo-$number
mkdir "$run"

heading() { printf '\n== %s\n' "$*"; }

heading "Training IPPO ($preset, $steps steps) into $run/train"
cagexplain train ippo --preset "$preset" --steps "$steps" --seed "$seed" --output "$run/train"

for policy in "$run/train/ckpt.pt" sleep punch champion; do
    heading "Evaluating $policy over $episodes episodes"
    cagexplain evaluate "$policy" --episodes "$episodes"
done

heading "Tracing the trained policy into $run/trace"
cagexplain trace "$run/train/ckpt.pt" --episodes "$episodes" -o "$run/trace"

heading "Writing the report"
cagexplain fsm-report "$run/trace" --critical 5 -o "$run/fsm.html"

heading "Drawing its worst episode on the map of the network"
cagexplain replay "$run/trace" -o "$run/replay.html"

heading "Auditing the trained policy into $run/audit"
cagexplain audit "$run/trace" --moments 0 --prices 60 --variations 20 -o "$run/audit"

heading "Done. Open these pages in a browser:"
cat <<END
$PWD/$run/audit/audit.html
    would you let this policy defend your network: verdict, findings, remedies and what they are worth
$PWD/$run/fsm.html
    what it does in each state of the attacker, how it reacts, and the five decisions that mattered most
$PWD/$run/replay.html
    its worst episode, step by step: what the attacker holds and believes, and what both sides do about it

Next: cagexplain audit PATH-OF-YOUR-AGENT (docs/your-agent.md), and docs/reports.md explains the pages.
END
