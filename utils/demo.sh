#!/usr/bin/env bash
# demo.sh BUILD: compiles the hybrid language model of test/Models (Mamba-2 and
# attention layers, random weights), runs it against reference outputs, lets it
# continue a prompt through the C API, and times it.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1/bin
work=$1/demo
model=test/Models/std27_inter_mamba2_f32
mkdir -p "$work"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() {
  printf '$ %s\n' "$*"
  "$@"
}

say "1. Compile $model/model.onnx"
show "$bin/hybrid-compile" -v "$model/model.onnx" -o "$work/model.hyb"

say "2. Run a prompt of 13 tokens for 2 sequences, then 5 decode steps; compare with the reference"
arguments=()
for step in "$model"/cases/decode/step_*; do
  arguments+=(--inputs "$step/inputs.npz" --compare "$step/outputs.npz")
done
echo "\$ $bin/hybrid-run $work/model.hyb --inputs …/step_00/inputs.npz --compare …/step_00/outputs.npz …"
"$bin/hybrid-run" "$work/model.hyb" "${arguments[@]}" | grep -E '^run|logits:'

say "3. Let it continue 1 2 3 4 5 6 7 8: the C program of docs/runtime-c-api.md"
sed -n '/^```c$/,/^```$/{/^```/!p}' docs/runtime-c-api.md >"$work/greedy.c"
show cc -O2 "$work/greedy.c" -I include -L "$bin" -lhybrid-runtime \
  -Wl,-rpath,"$(realpath "$bin")" -o "$work/greedy"
echo "next tokens:" $("$work/greedy" "$work/model.hyb" 16 1 2 3 4 5 6 7 8)

say "4. Time it: prefill of 256 tokens, 64 decode steps"
show "$bin/hybrid-run" "$work/model.hyb" --bench --prompt-len 256 --decode 64
