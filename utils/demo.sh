#!/usr/bin/env bash
# demo.sh BUILD: compiles the trained hybrid of examples/demo, lets it write,
# shows what it costs, checks its loss on text that it has not seen, continues
# from a snapshot, and times it.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1/bin
work=$1/demo
mkdir -p "$work"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {
  printf '$ %s\n' "$*"
  "$@"
}

say "1. Compile examples/demo/model.onnx: six Mamba-2 and two attention layers, trained on the King James Bible"
show "$bin/hybrid-compile" -v examples/demo/model.onnx -o "$work/demo.hyb"

say "2. Let it write"
show "$bin/hybrid-run" "$work/demo.hyb" --config examples/demo \
  --prompt "And it came to pass" -n 400 --temperature 0.6 --seed 7 --echo

say "3. What it costs: signature, states, bytes per sequence"
show "$bin/hybrid-run" "$work/demo.hyb" --inspect

say "4. The loss on chapters that were not trained on, in nats per byte"
show "${PYTHON:-python3}" python/demo/score.py "$work/demo.hyb" \
  examples/demo/held-out.txt --hybrid-run "$bin/hybrid-run"
"${PYTHON:-python3}" -c 'import json; print("the trainer'"'"'s:", json.load(open("examples/demo/training.json"))["held_out"]["loss"])'

say "5. Keep a prompt's states, go on from them, go back in them"
show "$bin/hybrid-run" "$work/demo.hyb" --config examples/demo \
  --prompt "And God said, Let there be" -n 0 --snapshot "$work/prompt.snap"
show "$bin/hybrid-run" "$work/demo.hyb" --config examples/demo \
  --restore "$work/prompt.snap" --prompt " light" -n 60 --temperature 0
show "$bin/hybrid-run" "$work/demo.hyb" --config examples/demo \
  --restore "$work/prompt.snap" --crop 12 --prompt " unto Moses," -n 60 --temperature 0

say "6. Time it: prefill of 256 tokens, 64 decode steps"
show "$bin/hybrid-run" "$work/demo.hyb" --bench --prompt-len 256 --decode 64
