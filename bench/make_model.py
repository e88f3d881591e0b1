#!/usr/bin/env python3
"""Writes the language model that the benchmark times.

make_model.py OUT.onnx PREFILL,… CONTEXT

An inter-layer hybrid of about 100 million parameters in ONNX opset 27, float32,
random weights in OUT.onnx.data: seven Mamba-2 layers and two attention layers
(grouped-query, rotary), each followed by SwiGLU; logits are those of the last
position. OUT.json says what calls cost at the least: FLOPs of prefills of these
lengths, and bytes of a decode step at a context.
"""

import json
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "python"))

from hybrid import models  # noqa: E402

LAYERS = "MMMAMMMAM"
MIXERS = {
    "M": models.Mamba2(inner=1536, heads=24, state=128),
    "A": models.Attention(12, 4, 64, 64, models.Rope(theta=10000.0)),
}


def design():
    block = models.FeedForward(hidden=2048)
    return models.Design(
        "hybrid-100m",
        width=768,
        layers=tuple(models.Layer(MIXERS[letter], block) for letter in LAYERS),
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
    path = Path(sys.argv[1])
    prefills = [int(word) for word in sys.argv[2].split(",")]
    model = design()
    model.save(path, initializers="external", logits="last")
    found = sizes(model, prefills, int(sys.argv[3]))
    path.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
