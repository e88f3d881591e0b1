#!/usr/bin/env python3
"""Writes the language model that the benchmark times.

make_model.py OUT.onnx

An inter-layer hybrid of about 100 million parameters in ONNX opset 27, float32,
random weights in OUT.onnx.data: seven Mamba-2 layers and two attention layers
(grouped-query, rotary), each followed by SwiGLU. States are past_…/present_…
pairs, logits are those of the last position. OUT.json gets the sizes that the
limits are computed from.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, WIDTH, HIDDEN = 16000, 768, 2048
LAYERS = "MMMAMMMAM"
# Mamba-2: heads × head size channels, one group of keys and queries.
HEADS, HEAD, STATE, TAPS = 24, 64, 128, 4
INNER = HEADS * HEAD
CONV = INNER + 2 * STATE
# Attention
Q_HEADS, KV_HEADS, ATTENTION_HEAD, POSITIONS = 12, 4, 64, 8192


class Model:
    def __init__(self):
        self.nodes, self.initializers, self.inputs, self.outputs = [], {}, [], []
        self.random = np.random.default_rng(0)

    # --- Pieces of a graph

    def node(self, operator, inputs, outputs=1, **attributes):
        """Adds a node; returns its output's name, or the list of names."""
        name = f"{operator}_{len(self.nodes)}"
        if isinstance(outputs, int):
            names = [f"{name}.{i}" for i in range(outputs)]
        else:
            names = outputs
        self.nodes.append(
            helper.make_node(operator, inputs, names, name=name, **attributes)
        )
        return names[0] if len(names) == 1 else names

    def constant(self, name, values):
        if name not in self.initializers:
            array = np.ascontiguousarray(values)
            self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, *values):
        name = "shape_" + "_".join(str(v) for v in values).replace("-", "m")
        return self.constant(name, np.array(values, np.int64))

    def weight(self, name, *shape, scale=0.02):
        values = self.random.standard_normal(shape, np.float32) * np.float32(scale)
        return self.constant(name, values)

    def vector(self, name, values):
        return self.constant(name, np.asarray(values, np.float32))

    def input(self, name, dtype, shape):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name, shape):
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        self.outputs.append(info)
        return name

    def state(self, name, shape, grown):
        """A past_…/present_… pair; returns both names."""
        past = self.input("past_" + name, TensorProto.FLOAT, shape)
        return past, self.output("present_" + name, grown)

    # --- Layers

    def matmul(self, x, name, rows, columns):
        return self.node("MatMul", [x, self.weight(name, rows, columns)])

    def norm(self, x, name, width):
        scale = self.vector(name, np.ones(width))
        return self.node("RMSNormalization", [x, scale], axis=-1, epsilon=1e-5)

    def silu(self, x):
        return self.node("Mul", [x, self.node("Sigmoid", [x])])

    def feed_forward(self, x, layer):
        both = self.matmul(x, f"{layer}.up", WIDTH, 2 * HIDDEN)
        gate, up = self.node("Split", [both], 2, axis=-1, num_outputs=2)
        product = self.node("Mul", [self.silu(gate), up])
        return self.matmul(product, f"{layer}.down", HIDDEN, WIDTH)

    def attention(self, x, layer, index):
        q_width, kv_width = Q_HEADS * ATTENTION_HEAD, KV_HEADS * ATTENTION_HEAD
        q = self.rotate(self.matmul(x, f"{layer}.q", WIDTH, q_width), Q_HEADS)
        k = self.rotate(self.matmul(x, f"{layer}.k", WIDTH, kv_width), KV_HEADS)
        v = self.matmul(x, f"{layer}.v", WIDTH, kv_width)
        shape = ["batch", KV_HEADS, "past", ATTENTION_HEAD]
        grown = ["batch", KV_HEADS, "total", ATTENTION_HEAD]
        past_key, present_key = self.state(f"key.{index}", shape, grown)
        past_value, present_value = self.state(f"value.{index}", shape, grown)
        mixed = f"{layer}.attention"
        self.node(
            "Attention",
            [q, k, v, "", past_key, past_value],
            [mixed, present_key, present_value],
            is_causal=1,
            q_num_heads=Q_HEADS,
            kv_num_heads=KV_HEADS,
        )
        return self.matmul(mixed, f"{layer}.out", q_width, WIDTH)

    def rotate(self, x, heads):
        half = ATTENTION_HEAD // 2
        frequencies = 10000.0 ** (-np.arange(half) / half)
        angles = np.outer(np.arange(POSITIONS), frequencies)
        cos = self.vector("rope_cos", np.cos(angles))
        sin = self.vector("rope_sin", np.sin(angles))
        inputs = [x, cos, sin, "position_ids"]
        return self.node("RotaryEmbedding", inputs, num_heads=heads)

    def mamba(self, x, layer, index):
        projected = self.matmul(x, f"{layer}.in", WIDTH, INNER + CONV + HEADS)
        sizes = self.integers(INNER, CONV, HEADS)
        gate, channels, step = self.node("Split", [projected, sizes], 3, axis=-1)
        channels = self.convolve(channels, layer, index)
        sizes = self.integers(INNER, STATE, STATE)
        value, key, query = self.node("Split", [channels, sizes], 3, axis=-1)

        bias = self.vector(f"{layer}.step_bias", self.random.uniform(-4, -1, HEADS))
        step = self.node("Softplus", [self.node("Add", [step, bias])])
        rate = self.vector(f"{layer}.rate", -np.linspace(1, 16, HEADS))
        decay = self.node("Mul", [step, rate])
        per_head = self.node("Reshape", [value, self.integers(0, 0, HEADS, HEAD)])
        weighted = self.node(
            "Mul", [per_head, self.node("Unsqueeze", [step, self.integers(-1)])]
        )
        weighted = self.node("Reshape", [weighted, self.integers(0, 0, INNER)])
        shape = ["batch", HEADS, STATE, HEAD]
        past, present = self.state(f"recurrent.{index}", shape, shape)
        mixed = f"{layer}.scan"
        self.node(
            "LinearAttention",
            [self.repeat(query), self.repeat(key), weighted, past, decay],
            [mixed, present],
            update_rule="gated",
            q_num_heads=HEADS,
            kv_num_heads=HEADS,
            scale=1.0,
        )
        skip = self.vector(f"{layer}.skip", np.ones(INNER))
        mixed = self.node("Add", [mixed, self.node("Mul", [value, skip])])
        mixed = self.node("Mul", [mixed, self.silu(gate)])
        mixed = self.norm(mixed, f"{layer}.gated_norm", INNER)
        return self.matmul(mixed, f"{layer}.out", INNER, WIDTH)

    def convolve(self, x, layer, index):
        shape = ["batch", CONV, TAPS - 1]
        past, present = self.state(f"conv.{index}", shape, shape)
        taps = self.weight(f"{layer}.taps", CONV, 1, TAPS, scale=0.3)
        bias = self.vector(f"{layer}.conv_bias", np.zeros(CONV))
        transposed = self.node("Transpose", [x], perm=[0, 2, 1])
        result = f"{layer}.convolved"
        self.node(
            "CausalConvWithState",
            [transposed, taps, bias, past],
            [result, present],
            activation="silu",
        )
        return self.node("Transpose", [result], perm=[0, 2, 1])

    def repeat(self, x):
        """One group's key or query for every head."""
        x = self.node("Reshape", [x, self.integers(0, 0, 1, STATE)])
        x = self.node("Expand", [x, self.integers(1, 1, HEADS, 1)])
        return self.node("Reshape", [x, self.integers(0, 0, -1)])

    # --- The whole

    def build(self):
        tokens = ["batch", "seq"]
        self.input("input_ids", TensorProto.INT64, tokens)
        self.input("position_ids", TensorProto.INT64, tokens)
        self.output("logits", ["batch", 1, VOCABULARY])
        table = self.weight("embedding", VOCABULARY, WIDTH)
        x = self.node("Gather", [table, "input_ids"])
        for index, kind in enumerate(LAYERS):
            layer = f"layer{index}"
            mix = self.attention if kind == "A" else self.mamba
            normed = self.norm(x, f"{layer}.norm", WIDTH)
            x = self.node("Add", [x, mix(normed, layer, index)])
            normed = self.norm(x, f"{layer}.norm2", WIDTH)
            x = self.node("Add", [x, self.feed_forward(normed, layer)])
        bounds = [self.integers(-1), self.integers(2**31 - 1), self.integers(1)]
        last = self.node("Slice", [x, *bounds])
        head = self.weight("head", WIDTH, VOCABULARY)
        last = self.norm(last, "last_norm", WIDTH)
        self.node("MatMul", [last, head], ["logits"])
        graph = helper.make_graph(
            self.nodes,
            "hybrid-100m",
            self.inputs,
            self.outputs,
            list(self.initializers.values()),
        )
        opset = helper.make_opsetid("", 27)
        return helper.make_model(graph, opset_imports=[opset], ir_version=13)

    def sizes(self):
        """Elements, for the least work that a call can do."""
        matrices = {n: i.dims for n, i in self.initializers.items() if len(i.dims) == 2}
        for name in ("embedding", "rope_cos", "rope_sin"):
            del matrices[name]
        head = VOCABULARY * WIDTH
        mamba, attention = LAYERS.count("M"), LAYERS.count("A")
        return {
            "parameters": sum(
                int(np.prod(i.dims)) for i in self.initializers.values()
            ),
            "layer_weights": sum(int(np.prod(d)) for d in matrices.values()) - head,
            "head_weights": head,
            "cache_per_token": attention * 2 * KV_HEADS * ATTENTION_HEAD,
            "states": mamba * (HEADS * HEAD * STATE + CONV * (TAPS - 1)),
            "attention_per_pair": attention * 2 * Q_HEADS * ATTENTION_HEAD,
            "scan_per_token": mamba * 2 * HEADS * HEAD * STATE,
            "vocabulary": VOCABULARY,
        }


def main():
    path = Path(sys.argv[1])
    builder = Model()
    model = builder.build()
    data = path.name + ".data"
    (path.parent / data).unlink(missing_ok=True)  # onnx appends to it
    onnx.save_model(
        model,
        path,
        save_as_external_data=True,
        location=data,
        size_threshold=4096,
    )
    onnx.checker.check_model(path)
    path.with_suffix(".json").write_text(json.dumps(builder.sizes(), indent=1) + "\n")


if __name__ == "__main__":
    main()
