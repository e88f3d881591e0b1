"""What the benchmarks share: models, artifacts and times of our side."""

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent
sys.path.insert(0, str(SOURCE / "utils"))

import pyenv  # noqa: E402

PREFILL = [512, 2048]
CONTEXT, STEPS = 512, 32


def output_of(command, **options):
    words = [str(word) for word in command]
    return subprocess.run(
        words, check=True, text=True, stdout=subprocess.PIPE, **options
    ).stdout


def parse_arguments(description, rounds, designs=None):
    parser = argparse.ArgumentParser(description=description)
    if designs:
        parser.add_argument(
            "--only", nargs="+", choices=designs, default=designs, metavar="DESIGN"
        )
    parser.add_argument("build", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=rounds)
    args = parser.parse_args()
    args.build = args.build.resolve()
    return args


class Workshop:
    """A folder in the build with models and artifacts."""

    def __init__(self, args):
        self.args = args
        self.bin = args.build / "bin"
        self.work = args.build / "bench"
        self.work.mkdir(parents=True, exist_ok=True)
        self.python = pyenv.ensure(args.build, HERE / "requirements.txt")

    def measure_limits(self):
        program = self.work / "limits"
        command = ["cc", "-O3", "-march=native", "-ffp-contract=fast", "-pthread"]
        output_of([*command, HERE / "limits.c", "-o", program])
        return json.loads(output_of([program, self.args.threads]))

    def make_model(self, design):
        """The path of a design of make_model.py; written if it isn't there."""
        script = HERE / "make_model.py"
        model = self.work / f"{design}.onnx"
        sizes = model.with_suffix(".json")
        if not sizes.exists() or sizes.stat().st_mtime <= script.stat().st_mtime:
            lengths = ",".join(map(str, PREFILL))
            middle = CONTEXT + STEPS // 2
            output_of([self.python, script, design, model, lengths, middle])
        return model

    def compile(self, model, artifact, *options):
        """The compiler's summary."""
        command = [self.bin / "hybrid-compile", model, "-o", artifact, *options]
        return json.loads(output_of([*command, "--max-batch", "1", "--json"]))

    def bench(self, artifact, length, steps):
        command = [self.bin / "hybrid-run", artifact, "--bench", "--json"]
        command += ["--threads", self.args.threads, "--repeat", 1]
        command += ["--prompt-len", length, "--decode", steps]
        phases = json.loads(output_of(command))["phases"]
        return {phase["name"]: phase["tokens_per_second"] for phase in phases}

    def time(self, artifact, decode=True):
        """Tokens per second by phase."""
        times = {f"prefill {n}": self.bench(artifact, n, 0)["prefill"] for n in PREFILL}
        if decode:
            times[f"decode at {CONTEXT}"] = self.bench(artifact, CONTEXT, STEPS)[
                "decode"
            ]
        return times


def save(result, kind):
    """Writes a result to bench/results; returns its name there."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    date = datetime.datetime.now().isoformat(timespec="seconds")
    name = f"{kind}-{date.replace(':', '-')}.json"
    (results / name).write_text(json.dumps({"date": date, **result}, indent=1) + "\n")
    return f"bench/results/{name}"
