#!/usr/bin/env python3
"""Writes a language model that the benchmarks time.

make_model.py DESIGN OUT.onnx PREFILL,… CONTEXT

A model of 50 to 100 million parameters in ONNX opset 27, float32, random weights
in OUT.onnx.data; every layer's mixer is followed by SwiGLU, and logits are those
of the last position. OUT.json says what calls cost at the least: FLOPs of prefills
of these lengths, and bytes of a decode step at a context. DESIGN is one of

  hybrid         seven layers of Mamba-2 and two of attention (grouped-query,
                 rotary)
  sub            attention and Mamba-2 side by side in six layers, each with a norm
                 and a projection of its own, subtracted
  add            the same without norms, added
  mean           the same with norms and factors per channel, one projection of
                 the mean
  mamba2, mamba1, gated-delta
                 six layers of one kind of scan
"""

import json
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "python"))

from hybrid import models  # noqa: E402

WIDTH, HIDDEN = 768, 2048
MAMBA2 = models.Mamba2(inner=1536, heads=24, state=128)
ATTENTION = models.Attention(12, 4, 64, 64, models.Rope(theta=10000.0))
BRANCH = models.Mamba2(inner=768, heads=12, state=128, norm=False)


def parallel(**how):
    return [models.Parallel(BRANCH, ATTENTION, **how)] * 6


MIXERS = {
    "hybrid": ([MAMBA2] * 3 + [ATTENTION]) * 2 + [MAMBA2],
    "sub": parallel(fuse="sub"),
    "add": parallel(fuse="add", norm="none"),
    "mean": parallel(fuse="mean", scale="vector", out="joint"),
    "mamba2": [MAMBA2] * 6,
    "mamba1": [models.Mamba1(1536, 16, 48)] * 6,
    "gated-delta": [models.GatedDelta(12, 24, 64, 64)] * 6,
}


def design(name):
    block = models.FeedForward(hidden=HIDDEN)
    return models.Design(
        name,
        width=WIDTH,
        layers=tuple(models.Layer(mixer, block) for mixer in MIXERS[name]),
        vocabulary=16000,
        tied=False,
        positions=8192,
    )


def sizes(model, prefills, context):
    def total(**call):
        return models.cost(model, dtype="f32", logits="last", **call).total

    step = total(context=context)
    return {
        "parameters": model.parameters.total,
        "vocabulary": model.vocabulary,
        "prefill_flops": {n: total(context=n, phase="prefill").flops for n in prefills},
        "decode_bytes": step.weights + step.states,
    }


def main():
    name, path, prefills, context = sys.argv[1:]
    path = Path(path)
    prefills = [int(word) for word in prefills.split(",")]
    model = design(name)
    model.save(path, initializers="external", logits="last")
    found = sizes(model, prefills, int(context))
    path.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
