"""Writes the demo model as ONNX, with the operators of opset 27.

Inputs input_ids and position_ids [batch, seq], int64; output logits [batch,
seq, vocab]. States are pairs of past_… inputs and present_… outputs: the last
columns of a convolution, the float32 state of a scan, keys and values.
"""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from . import model as demo_model

OPSET = 27
IR_VERSION = 13
KINDS = {
    "float16": (np.float16, TensorProto.FLOAT16),
    "float32": (np.float32, TensorProto.FLOAT),
}


class Graph:
    """Collects nodes, weights and states; weights are stored as `kind`."""

    def __init__(self, kind):
        self.kind = kind
        self.nodes, self.initializers, self.inputs, self.outputs = [], [], [], []

    def weight(self, name, value, kind=None):
        dtype, _ = KINDS[kind or self.kind]
        array = np.ascontiguousarray(value.detach().float().cpu().numpy().astype(dtype))
        if not np.isfinite(array).all():
            raise ValueError(f"{name} does not fit into {dtype.__name__}")
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def integers(self, *values):
        name = "c_" + "_".join(str(value).replace("-", "m") for value in values)
        if all(known.name != name for known in self.initializers):
            self.initializers.append(
                numpy_helper.from_array(np.array(values, np.int64), name)
            )
        return name

    def node(self, operator, inputs, outputs=1, **attributes):
        """Adds a node; `outputs` are names, or the number of unnamed ones."""
        if isinstance(outputs, int):
            stem = f"{operator.lower()}_{len(self.nodes)}"
            outputs = [stem if outputs == 1 else f"{stem}_{k}" for k in range(outputs)]
        self.nodes.append(
            helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes)
        )
        return outputs[0] if len(outputs) == 1 else outputs

    def state(self, name, past_shape, present_shape=None, kind=None):
        """Declares the pair past_name, present_name and returns both names."""
        _, element = KINDS[kind or self.kind]
        self.inputs.append(
            helper.make_tensor_value_info("past_" + name, element, past_shape)
        )
        shape = present_shape or past_shape
        self.outputs.append(
            helper.make_tensor_value_info("present_" + name, element, shape)
        )
        return "past_" + name, "present_" + name

    def norm(self, x, name, weight):
        scale = self.weight(name, weight)
        return self.node(
            "RMSNormalization", [x, scale], axis=-1, epsilon=demo_model.EPSILON
        )

    def linear(self, x, name, weight):
        return self.node("MatMul", [x, self.weight(name, weight.t())])

    def silu(self, x):
        return self.node("Mul", [x, self.node("Sigmoid", [x])])


def mamba2(graph, x, layer, index, config):
    name = f"layer{index}.mamba."
    channels, heads, size, state = (
        config.conv_channels,
        config.heads,
        config.head,
        config.state,
    )
    projected = graph.linear(x, name + "in", layer.enter.weight)
    parts = graph.integers(config.inner, channels, heads)
    z, xbc, dt = graph.node("Split", [projected, parts], 3, axis=-1)
    past, present = graph.state(f"conv.{index}", ["batch", channels, config.conv - 1])
    conv, _ = graph.node(
        "CausalConvWithState",
        [
            graph.node("Transpose", [xbc], perm=[0, 2, 1]),
            graph.weight(name + "conv_weight", layer.conv_weight[:, None]),
            graph.weight(name + "conv_bias", layer.conv_bias),
            past,
        ],
        [f"conv.{index}", present],
        activation="silu",
    )
    conv = graph.node("Transpose", [conv], perm=[0, 2, 1])
    parts = graph.integers(config.inner, state, state)
    x, b, c = graph.node("Split", [conv, parts], 3, axis=-1)
    # The step and the decay are float32 up to where the operator wants one type.
    bias = graph.weight(name + "dt_bias", layer.dt_bias, "float32")
    step = graph.node("Softplus", [graph.node("Add", [_to_float(graph, dt), bias])])
    rate = graph.weight(name + "a", -torch.exp(layer.a_log), "float32")
    decay = _from_float(graph, graph.node("Mul", [step, rate]))
    x = graph.node("Reshape", [x, graph.integers(0, 0, heads, size)])
    step = graph.node("Unsqueeze", [_from_float(graph, step), graph.integers(-1)])
    value = graph.node(
        "Reshape", [graph.node("Mul", [x, step]), graph.integers(0, 0, -1)]
    )

    def to_heads(shared):
        split = graph.node("Reshape", [shared, graph.integers(0, 0, 1, 1, state)])
        spread = graph.node("Expand", [split, graph.integers(1, 1, 1, heads, 1)])
        return graph.node("Reshape", [spread, graph.integers(0, 0, -1)])

    past, present = graph.state(
        f"recurrent.{index}", ["batch", heads, state, size], kind="float32"
    )
    y, _ = graph.node(
        "LinearAttention",
        [to_heads(c), to_heads(b), value, past, decay],
        [f"scan.{index}", present],
        update_rule="gated",
        scale=1.0,
        q_num_heads=heads,
        kv_num_heads=heads,
    )
    y = graph.node("Reshape", [y, graph.integers(0, 0, heads, size)])
    skip = graph.weight(name + "skip", layer.skip[:, None])
    y = graph.node("Add", [y, graph.node("Mul", [x, skip])])
    y = graph.node("Reshape", [y, graph.integers(0, 0, -1)])
    y = graph.node("Mul", [y, graph.silu(z)])
    return graph.linear(
        graph.norm(y, name + "norm", layer.norm.weight),
        name + "out",
        layer.leave.weight,
    )


def _to_float(graph, x):
    return (
        x if graph.kind == "float32" else graph.node("Cast", [x], to=TensorProto.FLOAT)
    )


def _from_float(graph, x):
    return (
        x
        if graph.kind == "float32"
        else graph.node("Cast", [x], to=KINDS[graph.kind][1])
    )


def attention(graph, x, layer, index, config):
    name = f"layer{index}.attention."
    q = graph.linear(x, name + "q", layer.q.weight)
    k = graph.linear(x, name + "k", layer.k.weight)
    v = graph.linear(x, name + "v", layer.v.weight)
    table = ["rope_cos", "rope_sin", "position_ids"]
    q = graph.node("RotaryEmbedding", [q] + table, num_heads=config.q_heads)
    k = graph.node("RotaryEmbedding", [k] + table, num_heads=config.kv_heads)
    past, total = (
        [config.kv_heads, length, config.attention_head] for length in ("past", "total")
    )
    past_key, present_key = graph.state(
        f"key.{index}", ["batch"] + past, ["batch"] + total
    )
    past_value, present_value = graph.state(
        f"value.{index}", ["batch"] + past, ["batch"] + total
    )
    y, _, _ = graph.node(
        "Attention",
        [q, k, v, "", past_key, past_value],
        [f"attention.{index}", present_key, present_value],
        is_causal=1,
        q_num_heads=config.q_heads,
        kv_num_heads=config.kv_heads,
    )
    return graph.linear(y, name + "out", layer.leave.weight)


def build(model, kind="float16"):
    """The ModelProto of a torch Model, weights and arithmetic in `kind`."""
    config = model.config
    graph = Graph(kind)
    for name, table in zip(
        ("rope_cos", "rope_sin"), demo_model.rotary_table(config, config.positions)
    ):
        graph.weight(name, table)
    x = graph.node("Gather", [graph.weight("embed", model.embed.weight), "input_ids"])
    for index, (letter, layer) in enumerate(zip(config.layers, model.layers)):
        mix = mamba2 if letter == "m" else attention
        u = graph.norm(x, f"layer{index}.norm1", layer.norm1.weight)
        x = graph.node("Add", [x, mix(graph, u, layer.mixer, index, config)])
        u = graph.norm(x, f"layer{index}.norm2", layer.norm2.weight)
        both = graph.linear(u, f"layer{index}.gate_up", layer.gate_up.weight)
        gate, up = graph.node("Split", [both], 2, axis=-1, num_outputs=2)
        hidden = graph.node("Mul", [graph.silu(gate), up])
        x = graph.node(
            "Add", [x, graph.linear(hidden, f"layer{index}.down", layer.down.weight)]
        )
    x = graph.norm(x, "norm", model.norm.weight)
    head = graph.weight("head", model.embed.weight.t())
    graph.node("MatMul", [x, head], ["logits"])
    tokens = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"])
        for name in ("input_ids", "position_ids")
    ]
    logits = helper.make_tensor_value_info(
        "logits", KINDS[kind][1], ["batch", "seq", config.vocab]
    )
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "demo",
            tokens + graph.inputs,
            [logits] + graph.outputs,
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="train_demo.py",
    )
    onnx.checker.check_model(proto)
    return proto
