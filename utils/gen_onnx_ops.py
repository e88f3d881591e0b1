#!/usr/bin/env python3
"""Write the generated part of the onnx dialect.

Reads the operator schemas of the packages onnx and onnxruntime (facts only:
names, arities, types, attribute kinds and defaults, versions) and writes

  dialects/ONNX/ONNX<Group>Ops.td          one ODS op per operator
  lib/Dialect/ONNX/IR/OperatorTable.inc    one line per operator, for the
                                           importer and for type inference

Usage: gen_onnx_ops.py [repository root]
"""
import collections
import os
import sys

import onnx
from onnxruntime.capi import _pybind_state as ort

# Operators that language models have no use for; they import as onnx.Unknown.
EXCLUDED = set("""
NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss
SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert
SequenceLength SequenceMap SplitToSequence ConcatFromSequence
Optional OptionalGetElement OptionalHasElement
RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer
AffineGrid CenterCropPad Col2Im DeformConv GridSample ImageDecoder MaxRoiPool
MaxUnpool NonMaxSuppression Resize RoiAlign Upsample
""".split())

# Written by hand in ONNXCoreOps.td, but part of the table.
BY_HAND = {"Constant", "If", "Loop", "Scan"}

MICROSOFT = """
BiasGelu CausalConvWithState FastGelu FusedMatMul GatedAdd GatedDeltaNet
GatedRMSNorm GatherBlockQuantized Gelu GroupQueryAttention LinearAttention
LinearAttentionGate MRotaryEmbedding MatMulNBits MoE MultiHeadAttention QMoE
QuickGelu RotaryEmbedding SkipLayerNormalization
SkipSimplifiedLayerNormalization
""".split()

GROUPS = {
    "NN": """
Attention AveragePool BatchNormalization CausalConvWithState Conv ConvTranspose
Dropout GRU GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization
InstanceNormalization LRN LSTM LayerNormalization LinearAttention
LpNormalization LpPool MaxPool MeanVarianceNormalization RMSNormalization RNN
RotaryEmbedding SimplifiedLayerNormalization
""",
    "Tensor": """
BitCast Cast CastLike Compress Concat ConstantOfShape DepthToSpace Expand
EyeLike Flatten Gather GatherElements GatherND Identity NonZero OneHot Pad Range
Reshape ReverseSequence Scatter ScatterElements ScatterND Shape Size Slice
SpaceToDepth Split Squeeze TensorScatter Tile TopK Transpose Trilu Unique
Unsqueeze Where
""",
    "Reduction": """
ArgMax ArgMin CumProd CumSum Det Einsum Gemm Hardmax LogSoftmax MatMul ReduceL1
ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum ReduceSumSquare Softmax
""",
    "Quant": """
ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv
QLinearMatMul QuantizeLinear
""",
    "Signal": """
Bernoulli BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix
Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike STFT
""",
}
RANDOM = set("""Bernoulli Multinomial RandomNormal RandomNormalLike
RandomUniform RandomUniformLike""".split())

# The first version whose operands are laid out as in the newest one, where it
# is not the first version at all.
LAYOUT_SINCE = {"Scan": 9, "Tile": 6}
# Attributes that became inputs under another name.
RENAMED_TO_INPUT = {("Pad", "value"): "constant_value", ("TopK", "k"): "K"}
# No exporter in use writes opsets below this; their peculiarities are ignored.
OLDEST = 7

DTYPE = {
    "tensor(float)": "f32", "tensor(int64)": "i64", "tensor(int32)": "i32",
    "tensor(bool)": "i1", "tensor(uint8)": "ui8", "tensor(int8)": "i8",
    "tensor(float16)": "f16",
}
# Results whose element type depends on an attribute: OperatorInfo.cpp knows.
SPECIAL_RESULT = {
    ("Cast", 0), ("BitCast", 0), ("ConstantOfShape", 0), ("EyeLike", 0),
    ("RandomNormal", 0), ("RandomUniform", 0), ("RandomNormalLike", 0),
    ("RandomUniformLike", 0), ("Bernoulli", 0), ("Multinomial", 0),
    ("BlackmanWindow", 0), ("HammingWindow", 0), ("HannWindow", 0),
    ("MelWeightMatrix", 0), ("QuantizeLinear", 0), ("DequantizeLinear", 0),
    ("Constant", 0), ("If", 0), ("Loop", 0), ("Scan", 0),
}
# Optional outputs that carry statistics are float32 in every known use.
F32_RESULT = {
    ("LayerNormalization", 1), ("LayerNormalization", 2),
    ("SimplifiedLayerNormalization", 1), ("SkipLayerNormalization", 1),
    ("SkipLayerNormalization", 2), ("SkipSimplifiedLayerNormalization", 1),
    ("SkipSimplifiedLayerNormalization", 2),
}
LETTER = {"INT": "i", "FLOAT": "f", "STRING": "s", "TENSOR": "t", "GRAPH": "g",
          "INTS": "I", "FLOATS": "F", "STRINGS": "S"}
ODS_ATTR = {"i": "I64Attr", "f": "F32Attr", "s": "StrAttr",
            "t": "ElementsAttr", "I": "DenseI64ArrayAttr",
            "F": "DenseF32ArrayAttr", "S": "StrArrayAttr"}


def kind(enum_value):
    return str(enum_value).split(".")[-1].upper()


class Operator:
    """The newest schema of one operator, and what older ones add."""

    def __init__(self, name, versions, domain=""):
        versions = sorted(versions, key=lambda s: s.since_version)
        used = [s for s in versions if s.since_version >= OLDEST]
        if not used or versions[-1].since_version < OLDEST:
            used = [versions[-1]]
        self.name, self.domain, self.schema = name, domain, versions[-1]
        self.since = [s.since_version for s in versions]
        # The version in force at OLDEST also counts.
        before = [s for s in versions if s.since_version < OLDEST]
        if before and before[-1] not in used:
            used = [before[-1]] + used
        self.inputs = self._inputs(used)
        self.outputs = self._outputs()
        self.attributes = self._attributes(used)

    def _inputs(self, used):
        result = []
        for i, formal in enumerate(self.schema.inputs):
            optional = any(
                i >= len(s.inputs) or kind(s.inputs[i].option) == "OPTIONAL"
                for s in used)
            variadic = kind(formal.option) == "VARIADIC"
            mark = "*" if variadic else "?" if optional else ""
            result.append((formal.name, mark, formal))
        return result

    def _outputs(self):
        result = []
        for i, formal in enumerate(self.schema.outputs):
            mark = {"VARIADIC": "*", "OPTIONAL": "?"}.get(
                kind(formal.option), "")
            result.append((formal.name, mark, self._element_type(i, formal)))
        return result

    def _element_type(self, index, formal):
        """`@` by rule in C++, `#i` as operand i, else the type itself."""
        if (self.name, index) in SPECIAL_RESULT:
            return "@"
        if (self.name, index) in F32_RESULT:
            return "f32"
        text = type_string(formal)
        if text in DTYPE:
            return DTYPE[text]
        for c in self.schema.type_constraints:
            allowed = list(c.allowed_type_strs)
            if c.type_param_str == text and len(allowed) == 1:
                return DTYPE[allowed[0]]
        operands = [i for i, (_, _, f) in enumerate(self.inputs)
                    if type_string(f) == text]
        if operands:
            return "#" + ",".join(map(str, operands))
        fallback = {"LinearAttention": "#3,0", "MultiHeadAttention": "#0"}
        if self.name in fallback:
            return fallback[self.name]
        raise SystemExit(f"{self.name}: no element type for output {index}")

    def _attributes(self, used):
        """name → (letter, required, default as ODS text or None)."""
        newest_inputs = {name for name, _, _ in self.inputs}
        result = collections.OrderedDict()
        names = sorted({n for s in used for n in s.attributes})
        for name in names:
            here = [s.attributes[name] for s in used if name in s.attributes]
            letter = LETTER.get(kind(here[-1].type))
            if letter is None:
                continue
            if name in newest_inputs or (self.name, name) in RENAMED_TO_INPUT:
                continue
            if name not in self.schema.attributes:
                continue
            required = len(here) == len(used) and all(
                a.required for a in here)
            result[name] = (letter, required, default_text(here[-1], letter))
        return result

    def operand_attributes(self):
        """Attributes of older versions that are inputs now: name → index."""
        newest = {name: i for i, (name, _, _) in enumerate(self.inputs)}
        result = {}
        for s in self.history:
            for name in s.attributes:
                target = RENAMED_TO_INPUT.get((self.name, name), name)
                if s.since_version < OLDEST and s is not self.in_force:
                    continue
                if name not in self.schema.attributes and target in newest:
                    result[name] = newest[target]
        return result


def type_string(formal):
    return formal.type_str if hasattr(formal, "type_str") else formal.typeStr


def default_text(attribute, letter):
    if hasattr(attribute, "default_value"):
        value = attribute.default_value
    else:
        value = onnx.AttributeProto.FromString(attribute._default_value)
    if not value.name and not value.type:
        return None
    if letter == "i":
        return str(value.i)
    if letter == "f":
        text = repr(float("%.9g" % value.f))
        return text + "f"
    if letter == "s":
        return value.s.decode()
    return None


def load():
    history = collections.defaultdict(list)
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.name not in EXCLUDED:
            history[schema.name].append(schema)
    result = []
    for name, versions in sorted(history.items()):
        versions.sort(key=lambda s: s.since_version)
        op = Operator(name, versions)
        op.history = versions
        before = [s for s in versions if s.since_version <= OLDEST]
        op.in_force = before[-1] if before else None
        result.append(op)
    contributed = {
        (s.domain, s.name): s for s in ort.get_all_operator_schema()}
    wanted = [("", "SimplifiedLayerNormalization")]
    wanted += [("com.microsoft", n) for n in MICROSOFT]
    for key in wanted:
        op = Operator(key[1], [contributed[key]], key[0])
        op.history, op.in_force = [], None
        result.append(op)
    return result


def group_of(op):
    if op.domain:
        return "Microsoft"
    for group, names in GROUPS.items():
        if op.name in names.split():
            return group
    return "Math"


def emit_op(op):
    ms = bool(op.domain)
    cls = ("Ms" if ms else "") + op.name
    mnemonic = ("ms." if ms else "") + op.name
    traits = "[]" if op.name in RANDOM else "[Pure]"
    arguments = []
    for name, mark, _ in op.inputs:
        constraint = {"": "ONNX_Value", "?": "ONNX_OptionalValue",
                      "*": "Variadic<ONNX_Value>"}[mark]
        arguments.append(f"{constraint}:${name}")
    for name, (letter, required, default) in op.attributes.items():
        base = ODS_ATTR[letter]
        if required:
            text = base
        elif default is None:
            text = f"OptionalAttr<{base}>"
        elif letter == "s":
            text = f'DefaultValuedOptionalStrAttr<StrAttr, "{default}">'
        else:
            text = f'DefaultValuedOptionalAttr<{base}, "{default}">'
        arguments.append(f"{text}:${name}")
    results = []
    for name, mark, _ in op.outputs:
        constraint = {"": "ONNX_Value", "?": "ONNX_OptionalValue",
                      "*": "Variadic<ONNX_Value>"}[mark]
        results.append(f"{constraint}:${name}")
    taken = [n.lower().replace("_", "") for n in
             [a.split("$")[1] for a in arguments + results]]
    clash = [n for n, c in collections.Counter(taken).items() if c > 1]
    if clash:
        raise SystemExit(f"{op.name}: accessor clash {clash}")
    where = op.domain or "ai.onnx"
    versions = ", ".join(map(str, op.since))
    lines = [f'def ONNX_{cls}Op : ONNX_Op<"{mnemonic}", {traits}> {{',
             f'  let summary = "{where} {op.name}, versions {versions}";',
             "  let arguments = (ins"]
    lines += wrap(arguments)
    lines += ["  );", "  let results = (outs"] + wrap(results)
    lines += ["  );", "}", ""]
    return lines


def wrap(items):
    return ["    " + item + ("," if i + 1 < len(items) else "")
            for i, item in enumerate(items)]


BANNER = """\
//===- {file} - {what} {dashes}*- tablegen -*-===//
//
// Generated by utils/gen_onnx_ops.py from the operator schemas of onnx {onnx}
// and onnxruntime {ort}. Do not edit: change the script and run it.
//
//===----------------------------------------------------------------------===//
"""


def banner(file, what):
    import onnxruntime
    head = f"//===- {file} - {what} "
    tail = "*- tablegen -*-===//"
    dashes = "-" * max(1, 80 - len(head) - len(tail))
    return BANNER.format(file=file, what=what, dashes=dashes,
                         onnx=onnx.__version__, ort=onnxruntime.__version__)


def write_td(root, group, ops):
    file = f"ONNX{group}Ops.td"
    guard = f"HYBRID_DIALECT_ONNX_{group.upper()}OPS_TD"
    lines = [banner(file, f"{group} operators"),
             f"#ifndef {guard}", f"#define {guard}", "",
             'include "dialects/ONNX/ONNXBase.td"', ""]
    for op in ops:
        lines += emit_op(op)
    lines += [f"#endif // {guard}", ""]
    with open(os.path.join(root, "dialects", "ONNX", file), "w") as f:
        f.write("\n".join(lines))


def write_table(root, ops):
    lines = [banner("OperatorTable.inc", "ONNX operators").replace(
        "tablegen", "C++").rstrip(), "// clang-format off",
        "// domain, name, versions, first version laid out like the newest,",
        "// inputs (? optional, * variadic), results with element types,",
        "// attributes (! required), attributes that are operands now"]
    for op in ops:
        inputs = " ".join(n + m for n, m, _ in op.inputs)
        outputs = " ".join(f"{n}{m}={t}" for n, m, t in op.outputs)
        attributes = " ".join(
            f"{n}:{letter}{'!' if required else ''}"
            for n, (letter, required, _) in op.attributes.items())
        moved = " ".join(f"{n}={i}" for n, i in
                         sorted(op.operand_attributes().items()))
        versions = " ".join(map(str, op.since))
        layout = LAYOUT_SINCE.get(op.name, 1)
        lines.append(f'{{"{op.domain}", "{op.name}", "{versions}", {layout}, '
                     f'"{inputs}", "{outputs}", "{attributes}", "{moved}"}},')
    lines += ["// clang-format on", ""]
    path = os.path.join(root, "lib", "Dialect", "ONNX", "IR",
                        "OperatorTable.inc")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write("\n".join(lines))


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..")
    ops = load()
    groups = collections.defaultdict(list)
    for op in ops:
        if op.name not in BY_HAND or op.domain:
            groups[group_of(op)].append(op)
    for group, members in groups.items():
        write_td(root, group, members)
    write_table(root, ops)


if __name__ == "__main__":
    main()
