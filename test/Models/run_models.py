#!/usr/bin/env python3
"""Compiles and runs whole models and compares them with reference outputs.

run_models.py BUILD [--models DIR] [--filter REGEX] [--jobs N] [--update]

Each model is compiled with its states bound and, if it has states, once more
with --no-states. Every case of its meta.json runs within the tolerance stated
there:

  prefill…, long_prefill  one call in a fresh session
  decode                  a prefill and decode steps in one session, as given
  decode, bare            the same, without what the runtime supplies: empty
                          states, masks of ones, consecutive positions
  decode (no states)      each step alone, the states of the step before fed in
  sequences               run, forked, cropped, saved … in random orders, by
                          test/Tools/session-properties

  raised                  prefills and, in one session, steps on random tokens,
                          states and other numbers, against what the model
                          compiled with --raise=none gives for them; if it has
                          an attention_mask, also with padding on either side
  branches …              the same against --branch-form=sequential and =merged,
                          for models whose layers have branches

  …, last position        the prefill that wants its last position only gives,
                          bit for bit, the last row of what it gives else

expected.json says what each model does; anything else is a failure, also an
unexpected pass. --update rewrites its entries, and README.md from all of them.
Crashes and timeouts are failures whatever it says. BUILD/test/models.tsv gets
the full table.
Needs the standard library only.
"""

import argparse
import json
import math
import os
import random
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "utils"))

import npz  # noqa: E402
import tools  # noqa: E402

EXPECTED = HERE / "expected.json"
PAGE = HERE / "README.md"
TIMEOUT = 300  # seconds, per process


class Different(Exception):
    """A result is not the reference's."""


class Differences:
    """Results of one case: the largest difference of a float output."""

    def __init__(self):
        self.largest = 0.0

    def check(self, output):
        """Reads what `hybrid-run --compare --json` prints."""
        different = []
        for index, run in enumerate(json.loads(output)["runs"]):
            for entry in run["compare"]:
                if not entry["ok"]:
                    what = entry.get("problem") or entry["max_abs_difference"]
                    different.append(f"run {index}: {entry['name']} ({what})")
                elif entry["elements"]:
                    self.largest = max(self.largest, entry["max_abs_difference"])
        if different:
            raise Different("differs: " + ", ".join(different[:4]))


class Artifact:
    """One model, compiled in one mode."""

    def __init__(self, folder, states, args):
        self.folder = folder
        self.states = states
        self.args = args
        self.meta = json.loads((folder / "meta.json").read_text())
        self.mode = "states" if states and self.meta["states"] else "no states"
        self.work = args.build / "test/models" / folder.name / self.mode.replace(" ", "-")
        self.work.mkdir(parents=True, exist_ok=True)
        self.file = self.work / "model.hyb"

    def compile(self, file, *options):
        file.unlink(missing_ok=True)
        # Relative, so that messages are the same everywhere.
        command = [self.args.bin / "hybrid-compile"]
        command += [f"{self.folder.name}/model.onnx", "-o", file, *options]
        if not self.states:
            command.append("--no-states")
        return tools.call([*command, "--json"], self.folder.parent, TIMEOUT)

    def prepare(self):
        report = json.loads(self.compile(self.file))
        self.compiled_state_bytes = report["state_bytes_per_sequence"]
        self.has_branches = report["parallels"] > 0
        inspected = json.loads(self.call_run("--inspect", "--json"))
        self.state_bytes = inspected["state_bytes_per_sequence"]
        manifest = inspected["manifest"]
        self.roles = {i["name"]: i["role"] for i in manifest["inputs"]}
        roles = {symbol["role"] for symbol in manifest["symbols"]}
        self.can_leave_out = "from" in roles

    def call_run(self, *arguments, accept=(0,)):
        command = [self.args.bin / "hybrid-run", self.file, *arguments]
        return tools.call(command, None, TIMEOUT, accept)

    def compare(self, differences, steps):
        """Runs `steps`, (inputs, expected outputs) each, in one session."""
        tolerance = self.meta["tolerance"]
        arguments = ["--json", "--rtol", tolerance["rtol"], "--atol", tolerance["atol"]]
        for inputs, outputs in steps:
            arguments += ["--inputs", inputs, "--compare", outputs]
        differences.check(self.call_run(*arguments, accept=(0, 1)))

    def cases(self):
        """(name, function(Differences)) of every case in this mode."""
        for name, case in self.meta["cases"].items():
            folder = self.folder / "cases" / name
            if case["kind"] == "prefill":
                step = (folder / "inputs.npz", folder / "outputs.npz")
                yield name, lambda d, step=step: self.compare(d, [step])
                if self.can_leave_out:
                    yield name + ", last position", lambda d, s=step: self.last_row(*s)
                continue
            steps = [
                (step / "inputs.npz", step / "outputs.npz")
                for step in sorted(folder.iterdir())
            ]
            if self.mode == "no states":
                yield name, lambda d, s=steps: self.decode_by_hand(d, s)
                continue
            yield name, lambda d, s=steps: self.compare(d, s)
            bare = self.bare_steps(steps)
            yield name + ", bare", lambda d, s=bare: self.compare(d, s)
        variants = {"raised": "--raise=none"}
        if self.has_branches:
            for form in ("sequential", "merged"):
                variants["branches " + form] = "--branch-form=" + form
        for name, option in variants.items():
            yield name, lambda d, option=option: self.compare_compiled(d, option)
        if self.mode == "states":
            yield "sequences", self.check_sequences
            yield "state bytes", self.check_state_bytes

    def check_state_bytes(self, differences):
        """What the compiler says states take is what the runtime says."""
        kinds = dict(self.state_bytes)
        total = kinds.pop("total")
        kinds = {kind: size for kind, size in kinds.items() if size}
        compiled = self.compiled_state_bytes
        if kinds != compiled or total != sum(compiled.values()):
            raise Different(f"the compiler says {compiled}, the runtime {kinds}")

    def compare_compiled(self, differences, option):
        """Random inputs give what they give when compiled with `option`."""
        other = self.work / "other.hyb"
        self.compile(other, option)
        tolerance = self.meta["tolerance"]
        for name, case in self.meta["cases"].items():
            folder = self.folder / "cases" / name
            isolated = case["kind"] == "prefill" or self.mode == "no states"
            steps = [folder] if case["kind"] == "prefill" else sorted(folder.iterdir())
            if isolated:
                # Later steps come without states.
                steps = steps[:1]
            given = []
            for index, step in enumerate(steps):
                path = self.work / f"random-{name}-{index}.npz"
                members = npz.read(step / "inputs.npz")
                if index and not isolated:
                    # They go on in the session.
                    for state in self.meta["states"]:
                        members.pop(state["past"], None)
                npz.write(path, self.randomise(members, f"{name} {index}"))
                given.append(path)
            runs = [[path] for path in given] if isolated else [given]
            for paths in runs + [p for run in runs for p in self.padded(run)]:
                folder = self.work / "other"
                inputs = [x for path in paths for x in ("--inputs", path)]
                command = [self.args.bin / "hybrid-run", other, *inputs]
                tools.call([*command, "--outputs", folder, "--states"], None, TIMEOUT)
                if paths not in runs and self.has_nan(folder, len(paths)):
                    # A query that sees no key, to a mask of minus infinities.
                    continue
                arguments = ["--json", "--states"]
                arguments += ["--rtol", tolerance["rtol"], "--atol", tolerance["atol"]]
                for index, path in enumerate(paths):
                    want = folder / f"{index}.npz"
                    arguments += ["--inputs", path, "--compare", want]
                differences.check(self.call_run(*arguments, accept=(0, 1)))

    def randomise(self, members, seed):
        """Other tokens among those seen, and other floats, of the same shapes."""
        generator = random.Random(f"{self.folder.name} {seed}")
        result = {}
        for name, data in sorted(members.items()):
            kind = npz.element_type(data)
            count = math.prod(npz.shape(data))
            if self.roles.get(name) == "tokens":
                highest = max(npz.integers(data))
                values = [generator.randint(0, highest) for _ in range(count)]
                data = npz.with_values(data, values)
            elif kind in ("<f2", "<f4", "<f8") and count:
                values = [generator.gauss(0, 0.5) for _ in range(count)]
                data = npz.with_values(data, values)
            result[name] = data
        return result

    @staticmethod
    def has_nan(folder, count):
        return any(
            math.isnan(value)
            for index in range(count)
            for data in npz.read(folder / f"{index}.npz").values()
            if npz.element_type(data) in ("<f2", "<f4", "<f8")
            for value in npz.floats(data)
        )

    def padded(self, paths):
        """The steps with padding in front of and behind each sequence's prompt,
        which attention_mask says: some queries see no key."""
        masks = [name for name, role in self.roles.items() if role == "attention_mask"]
        if not masks or masks[0] not in npz.read(paths[0]):
            return []
        sequences, prompt = npz.shape(npz.read(paths[0])[masks[0]])
        count = [(b + 1) * prompt // (sequences + 1) for b in range(sequences)]
        ranges = {
            "left": [range(n) for n in count],
            "right": [range(prompt - n, prompt) for n in count],
        }
        result = []
        for side, hidden in ranges.items():
            run = []
            for path in paths:
                members = npz.read(path)
                data = members[masks[0]]
                width = npz.shape(data)[1]
                values = npz.integers(data)
                for b, columns in enumerate(hidden):
                    for j in columns:
                        values[b * width + j] = 0
                members[masks[0]] = npz.with_values(data, values)
                run.append(path.with_stem(f"{path.stem}-{side}"))
                npz.write(run[-1], members)
            result.append(run)
        return result

    def check_sequences(self, differences):
        """Sequences in any order are what they are alone."""
        tolerance = self.meta["tolerance"]
        command = [self.args.bin / "session-properties", self.file]
        command += ["--seeds", 2, "--steps", 25]
        command += ["--rtol", tolerance["rtol"], "--atol", tolerance["atol"]]
        tools.call(command, None, TIMEOUT)

    def last_row(self, inputs, _):
        """Compares the outputs of the last position with those of all."""
        results = []
        for which in ("all", "last"):
            folder = self.work / which
            arguments = ["--inputs", inputs, "--outputs", folder, "--states"]
            self.call_run(*arguments, "--logits", which)
            results.append(npz.read(folder / "0.npz"))
        everything, last = results
        cut = {
            name
            for name in everything
            if npz.shape(everything[name]) != npz.shape(last[name])
        }
        different = [
            name
            for name, whole in everything.items()
            if (
                npz.shape(last[name])[1] != 1
                or npz.last_row(whole) != npz.last_row(last[name])
                if name in cut
                else whole != last[name]
            )
        ]
        if different:
            raise Different("differs: " + ", ".join(different))
        tokens = [n for n, role in self.roles.items() if role == "tokens"]
        positions = npz.shape(npz.read(inputs)[tokens[0]])[-1]
        if not cut and positions > 1:
            raise Different("every output comes with all positions")

    def decode_by_hand(self, differences, steps):
        """Feeds the states that one call returns to the next call."""
        states = {}
        for index, (inputs, outputs) in enumerate(steps):
            members = npz.read(inputs)
            members.update(states)
            given = self.work / f"step{index}.npz"
            npz.write(given, members)
            self.compare(differences, [(given, outputs)])
            if index + 1 == len(steps):
                return
            self.call_run("--inputs", given, "--outputs", self.work / "out")
            results = npz.read(self.work / "out/0.npz")
            for state in self.meta["states"]:
                states[state["past"]] = results[state["present"]]

    def bare_steps(self, steps):
        """The steps without empty states and inputs that hold the default."""
        states = {state["past"] for state in self.meta["states"]}
        position = 0
        bare = []
        for index, (inputs, outputs) in enumerate(steps):
            members = {
                name: data
                for name, data in npz.read(inputs).items()
                if name not in states and not self.is_default(name, data, position)
            }
            path = self.work / f"bare{index}.npz"
            npz.write(path, members)
            bare.append((path, outputs))
            tokens = [n for n in members if self.roles.get(n) == "tokens"]
            position += npz.shape(members[tokens[0]])[-1]
        return bare

    def is_default(self, name, data, position):
        role = self.roles.get(name)
        if role == "attention_mask":
            return all(value == 1 for value in npz.integers(data))
        if role != "position_ids":
            return False
        length = npz.shape(data)[-1]
        values = npz.integers(data)
        return all(v == position + i % length for i, v in enumerate(values))


def result_of(function, *arguments):
    """"pass", or what went wrong."""
    try:
        function(*arguments)
        return "pass"
    except tools.Broken as error:
        return f"broken: {error}"
    except (Different, tools.Refused) as error:
        return str(error)


def run_artifact(artifact):
    """{case: (result, largest difference)}; {"compile": …} if that fails."""
    begin = time.monotonic()
    result = result_of(artifact.prepare)
    artifact.seconds = time.monotonic() - begin
    if result != "pass":
        return {"compile": (result, None)}
    results = {}
    for name, function in artifact.cases():
        differences = Differences()
        result = result_of(function, differences)
        results[name] = (result, differences.largest if result == "pass" else None)
    return results


def without_numbers(text):
    """Differences vary between machines, the outputs that differ do not."""
    return re.sub(r" \((nan|inf|[-+.\de]+)\)", "", text)


def summarise(results):
    """What expected.json holds for one mode of a model."""
    failing = {n: without_numbers(r) for n, (r, _) in results.items() if r != "pass"}
    if not failing:
        return "pass"
    return failing


def deviations(results, expected):
    """The cases whose result is not the expected one, with both."""
    if expected is None:
        return [("all", "no entry in expected.json", "an entry (--update)")]
    failing = {} if expected == "pass" else expected
    found = []
    for name, (result, _) in results.items():
        want = failing.get(name, "pass")
        if result.startswith("broken: ") or without_numbers(result) != want:
            found.append((name, result, want))
    for name in set(failing) - set(results):
        found.append((name, "did not run", failing[name]))
    return found


def write_table(path, rows):
    lines = ["model\tmode\tcase\tresult\tlargest difference"]
    for artifact, results in rows:
        for name, (result, largest) in results.items():
            number = "" if largest is None else f"{largest:.3g}"
            line = [artifact.folder.name, artifact.mode, name, result, number]
            lines.append("\t".join(line))
    path.write_text("\n".join(lines) + "\n")


def result_text(result):
    """A cell of README.md."""
    if result is None:
        return ""
    if result == "pass":
        return "all cases pass"
    return "<br>".join(f"{case}: {text}" for case, text in sorted(result.items()))


def write_page(expected):
    """README.md: what every model does."""
    lines = [
        "# Whole models",
        "",
        "Written by `run_models.py --update` from `expected.json`. Small models with random weights from the exporters that people use;",
        "each compiled with its states bound, and as a plain function (`--no-states`, or without states at all). *(elsewhere)*: too large for this folder.",
        "",
        "| model | what | states | no states |",
        "|---|---|---|---|",
    ]
    for name, entry in sorted(expected.items()):
        mark = " *(elsewhere)*" if entry.get("elsewhere") else ""
        cells = [name + mark, entry["about"]]
        cells += [result_text(entry.get(mode)) for mode in ("states", "no states")]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    PAGE.write_text("\n".join(lines) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--bin", type=Path, help="tools (default: BUILD/bin)")
    parser.add_argument("--models", type=Path, default=HERE)
    parser.add_argument("--filter", default="", help="only models that match")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.bin = (args.bin or args.build / "bin").resolve()
    return args


def find_artifacts(args):
    artifacts = []
    for meta in sorted(args.models.resolve().glob("*/meta.json")):
        if re.search(args.filter, meta.parent.name):
            artifact = Artifact(meta.parent, True, args)
            artifacts.append(artifact)
            if artifact.meta["states"]:
                artifacts.append(Artifact(meta.parent, False, args))
    return artifacts


def report(artifact, results, wrong):
    passed = [largest for result, largest in results.values() if result == "pass"]
    text = f"{len(passed)} of {len(results)} cases pass"
    if passed:
        text += f", largest difference {max(passed):.2g}"
    if "compile" in results:
        text = results["compile"][0]
    mark = "WRONG" if wrong else "ok   "
    print(
        f"{mark} {artifact.folder.name:<28} {artifact.mode:<9} {text} "
        f"(compiled in {artifact.seconds:.1f} s)",
        flush=True,
    )
    for name, result, want in wrong:
        print(f"      {name}: {result}\n        expected: {want}")


def main():
    args = parse_arguments()
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    artifacts = find_artifacts(args)
    passed = failed = 0
    rows = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for artifact, results in zip(artifacts, pool.map(run_artifact, artifacts)):
            entry = expected.setdefault(artifact.folder.name, {})
            broken = any(r.startswith("broken: ") for r, _ in results.values())
            if args.update and not broken:
                entry[artifact.mode] = summarise(results)
                meta = artifact.meta
                entry["about"] = f"{meta['architecture']}; {meta['exporter']}"
            wrong = deviations(results, entry.get(artifact.mode))
            report(artifact, results, wrong)
            rows.append((artifact, results))
            failed += len(wrong)
            passed += max(0, len(results) - len(wrong))
    if args.models.resolve() == HERE and not args.filter:
        for name, entry in sorted(expected.items()):
            if not entry.get("elsewhere") and not (HERE / name).is_dir():
                print(f"WRONG {name}: expected.json names it, but it is not here")
                failed += 1
    if args.update:
        for name, entry in expected.items():
            entry["elsewhere"] = not (HERE / name).is_dir()
        known = {name: entry for name, entry in expected.items() if "about" in entry}
        EXPECTED.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        write_page(known)
    write_table(args.build / "test/models.tsv", rows)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
