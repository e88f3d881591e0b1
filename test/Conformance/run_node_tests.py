#!/usr/bin/env python3
"""Runs ONNX's own node tests through hybrid-compile and hybrid-run.

run_node_tests.py BUILD [--filter REGEX] [--jobs N] [--update]

The tests are those of the Python package onnx (requirements.txt), installed
into BUILD/venv. Each is compiled with --no-states, run on its inputs and
compared as onnx's own runner compares, with its tolerance. node-tests.tsv says
what each test does:

  pass              the outputs are right
  refused: MESSAGE  hybrid-compile's first error
  out of scope: …   not run: training, ai.onnx.ml, image decoding, and types
                    other than tensors of numbers

Any other result (wrong outputs, an error at run time, a crash, a timeout) is a
failure, and so is any difference from the table. --update rewrites the table
and docs/conformance.md, which sums it up.
"""

import argparse
import os
import re
import sys
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
sys.path.insert(0, str(SOURCE / "utils"))

import pyenv  # noqa: E402
import tools  # noqa: E402

TABLE = HERE / "node-tests.tsv"
PAGE = SOURCE / "docs/conformance.md"
LAST_OPSET = 27
TIMEOUT = 120  # seconds, per process

OUT_OF_SCOPE_DOMAINS = {
    "ai.onnx.preview.training": "training",
    "ai.onnx.ml": "ai.onnx.ml",
}
OUT_OF_SCOPE_OPERATORS = {
    "Bernoulli": "random outputs",
    "ImageDecoder": "image decoding",
    "OptionalGetElement": "optional types",
    "OptionalHasElement": "optional types",
    "RandomUniformLike": "random outputs",
    "SequenceEmpty": "sequence types",
    "SequenceInsert": "sequence types",
    "SequenceLength": "sequence types",
    "SequenceMap": "sequence types",
    "SplitToSequence": "sequence types",
    "StringConcat": "string types",
    "StringNormalizer": "string types",
    "StringSplit": "string types",
}
GOOD = ("pass", "refused: ", "out of scope: ")


class Wrong(Exception):
    """An output is not the expected one."""


# --- A test -------------------------------------------------------------------


class NodeTest:
    def __init__(self, folder):
        self.folder = folder
        self.name = folder.name.removeprefix("test_")
        self.model = onnx.load(folder / "model.onnx")
        versions = {i.domain: i.version for i in self.model.opset_import}
        self.opset = versions.get("", versions.get("ai.onnx"))
        self.domains = set(versions)

    def opset_text(self):
        if self.opset is not None:
            return str(self.opset)
        return ",".join(sorted(self.domains))

    def operator(self):
        """The operator under test: the node's, or that of the expanded test."""
        nodes = self.model.graph.node
        return nodes[0].op_type if len(nodes) == 1 else ""

    def out_of_scope(self):
        """Why it is not run, or ""."""
        for domain in self.domains:
            if domain in OUT_OF_SCOPE_DOMAINS:
                return OUT_OF_SCOPE_DOMAINS[domain]
        if self.opset is not None and self.opset > LAST_OPSET:
            return f"opset {self.opset}"
        graph = self.model.graph
        for value in [*graph.input, *graph.output]:
            kind = value.type.WhichOneof("value")
            if kind != "tensor_type":
                return kind.replace("_type", " types")
            if value.type.tensor_type.elem_type == onnx.TensorProto.STRING:
                return "string types"
        for node in graph.node:
            if node.op_type in OUT_OF_SCOPE_OPERATORS:
                return OUT_OF_SCOPE_OPERATORS[node.op_type]
        return ""

    def data(self, values, kind, directory):
        """{name: array} of the inputs or outputs of one data set."""
        arrays = {}
        for index, value in enumerate(values):
            file = directory / f"{kind}_{index}.pb"
            tensor = onnx.TensorProto()
            tensor.ParseFromString(file.read_bytes())
            arrays[value.name] = onnx.numpy_helper.to_array(tensor)
        return arrays

    def data_sets(self):
        """(directory, inputs, outputs) of each data set."""
        graph = self.model.graph
        for directory in sorted(self.folder.glob("test_data_set_*")):
            inputs = self.data(graph.input, "input", directory)
            outputs = self.data(graph.output, "output", directory)
            yield directory.name, inputs, outputs


# --- Running it ---------------------------------------------------------------


def write_npz(path, arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            if array.dtype == ml_dtypes.bfloat16:
                array = array.astype(np.float32)  # as hybrid-run has it
            with archive.open(name + ".npy", "w") as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def compare(name, got, want):
    """As onnx's runner does."""
    if want.dtype == ml_dtypes.bfloat16:
        want = want.astype(np.float32)
    if got.shape != want.shape:
        raise Wrong(f"{name} has the shape {got.shape}, not {want.shape}")
    if got.dtype != want.dtype:
        raise Wrong(f"{name} has the type {got.dtype}, not {want.dtype}")
    close = np.isclose(got, want, rtol=1e-3, atol=1e-7, equal_nan=True)
    if close.all():
        return
    at = tuple(int(i) for i in np.argwhere(~close)[0])
    raise Wrong(
        f"{name} differs in {np.sum(~close)} of {close.size} elements, "
        f"first at {list(at)}: {got[at]}, not {want[at]}"
    )


def check_outputs(path, outputs):
    with np.load(path) as results:
        for name, want in outputs.items():
            if name not in results:
                raise Wrong(f"there is no output {name}")
            try:
                got = results[name]
            except ValueError as error:
                raise Wrong(f"{name} cannot be read: {error}") from None
            compare(name, got, want)


def run_test(test, args):
    reason = test.out_of_scope()
    if reason:
        return "out of scope: " + reason
    work = args.build / "test/conformance" / test.name
    work.mkdir(parents=True, exist_ok=True)
    artifact = work / "model.hyb"
    artifact.unlink(missing_ok=True)
    # Relative, so that messages are the same everywhere.
    model = f"{test.folder.name}/model.onnx"
    command = [args.bin / "hybrid-compile", model, "--no-states", "-O1"]
    try:
        tools.call([*command, "-o", artifact], test.folder.parent, TIMEOUT)
    except tools.Refused as refusal:
        return f"refused: {refusal}"
    except tools.Broken as error:
        return f"broken: {error}"
    try:
        for name, inputs, outputs in test.data_sets():
            given = work / (name + ".npz")
            write_npz(given, inputs)
            command = [args.bin / "hybrid-run", artifact, "--threads", "1"]
            command += ["--inputs", given.name, "--outputs", name]
            tools.call(command, work, TIMEOUT)
            check_outputs(work / name / "0.npz", outputs)
    except (tools.Refused, tools.Broken) as error:
        return f"fails to run: {error}"
    except Wrong as error:
        return f"wrong: {error}"
    return "pass"


# --- The table ----------------------------------------------------------------


def read_table():
    """{name: (opset, result)}"""
    if not TABLE.exists():
        return {}
    lines = TABLE.read_text().splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return {name: (opset, result) for name, opset, result in rows}


def write_table(table):
    lines = ["test\topset\tresult"]
    lines += ["\t".join([name, *table[name]]) for name in sorted(table)]
    TABLE.write_text("\n".join(lines) + "\n")


def kind_of(result):
    return next((word.split(":")[0] for word in GOOD if result.startswith(word)), "bug")


def write_page(table, operators):
    """docs/conformance.md: how many tests of each operator pass."""
    rows = {}
    for name, (_, result) in table.items():
        if kind_of(result) == "out of scope":
            continue
        rows.setdefault(operators.get(name, "?"), Counter())[kind_of(result)] += 1
    total = Counter(kind_of(result) for _, result in table.values())
    in_scope = sum(total.values()) - total["out of scope"]
    lines = [
        "# ONNX node tests",
        "",
        "Written by `test/Conformance/run_node_tests.py --update`; the tests and the exact message of each that is refused are in",
        f"`test/Conformance/node-tests.tsv`. Of {in_scope} tests in scope (opset ≤ {LAST_OPSET}, onnx {onnx.__version__}), **{total['pass']} pass**, "
        f"{total['refused']} are refused with a message, {total['bug']} do something else.",
        f"{total['out of scope']} more are out of scope: training, ai.onnx.ml, image decoding, random outputs, and types other than tensors of numbers.",
        "",
        "A test named `…_expanded` counts for the operator that it expands.",
        "",
        "| operator | pass | refused |",
        "|---|---|---|",
    ]
    for operator in sorted(rows):
        counts = rows[operator]
        lines.append(f"| {operator} | {counts['pass']} | {counts['refused'] or ''} |")
    PAGE.write_text("\n".join(lines) + "\n")


def operators_under_test(tests):
    """{test: operator}; expanded tests have their unexpanded twin's."""
    operators = {test.name: test.operator() for test in tests}
    for name in operators:
        twin = re.sub(r"(_expanded.*)$", "", name)
        if twin != name and operators.get(twin):
            operators[name] = operators[twin]
        operators[name] = operators[name] or "several"
    return operators


def find_tests(pattern):
    data = Path(onnx.__file__).parent / "backend/test/data/node"
    folders = sorted(path.parent for path in data.glob("*/model.onnx"))
    return [
        NodeTest(folder)
        for folder in folders
        if re.search(pattern, folder.name.removeprefix("test_"))
    ]


def report(test, result, row):
    """Prints what is wrong, if anything; returns whether it is."""
    if kind_of(result) == "bug":
        print(f"WRONG {test.name}: {result}", flush=True)
        return True
    want = row[1] if row else "no entry in the table"
    if result == want and row[0] == test.opset_text():
        return False
    print(f"WRONG {test.name}: {result}\n        expected: {want}", flush=True)
    return True


def run_all(args):
    tests = find_tests(args.filter)
    table = read_table()
    counts = Counter()
    failed = 0
    results = {}
    with ThreadPoolExecutor(args.jobs) as pool:
        for test, result in zip(tests, pool.map(lambda t: run_test(t, args), tests)):
            results[test.name] = (test.opset_text(), result)
            row = results[test.name] if args.update else table.get(test.name)
            failed += report(test, result, row)
            counts[kind_of(result)] += 1
    if not args.filter:
        for name in sorted(set(table) - set(results)):
            if not args.update:
                print(f"WRONG {name}: the table names it, but there is no such test")
                failed += 1
        table = results
    if args.update:
        table.update(results)
        write_table(table)
        if not args.filter:
            write_page(table, operators_under_test(tests))
    print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed or not tests else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--bin", type=Path, help="tools (default: BUILD/bin)")
    parser.add_argument("--filter", default="", help="only tests that match")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.bin = (args.bin or args.build / "bin").resolve()
    return args


def restart_in_venv(args):
    python = pyenv.ensure(args.build, HERE / "requirements.txt")
    os.environ["HYBRID_IN_VENV"] = "1"
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


if __name__ == "__main__":
    arguments = parse_arguments()
    if "HYBRID_IN_VENV" not in os.environ:
        restart_in_venv(arguments)
    import ml_dtypes
    import numpy as np
    import onnx
    import onnx.numpy_helper

    sys.exit(run_all(arguments))
