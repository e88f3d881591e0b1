#!/usr/bin/env python3
"""Times a compiled model beside onnxruntime on the same ONNX file.

run.py BUILD [--threads N] [--rounds N]

Builds the model (make_model.py), compiles it, checks that both give the same
logits, measures the machine's limits (limits.c), and then times both in turn,
round by round. The table holds medians over the rounds:

  prefill N   tokens per second of one call with N tokens; FMA: multiplications
              and additions that the model needs at least, of the measured peak
  decode      tokens per second of single steps after the context; memory: bytes
              that a step reads and writes at least, of the measured bandwidth

Everything measured goes to bench/results as JSON. Other work on the machine
disturbs both sides: compare the two columns of one run only.
"""

import json
import os
import random
import statistics

import common
from common import CONTEXT, HERE, PREFILL, STEPS, output_of

import npz  # found by common


class Benchmark(common.Workshop):
    def __init__(self, args):
        print("preparing: Python packages, the model, the limits", flush=True)
        super().__init__(args)
        self.model = self.make_model("hybrid")
        self.artifact = self.model.with_suffix(".hyb")
        self.sizes = json.loads(self.model.with_suffix(".json").read_text())
        self.limits = self.measure_limits()

    def check(self):
        """The largest difference between both sides' logits of one prompt."""
        inputs, wanted = self.work / "inputs.npz", self.work / "logits.npz"
        numbers = random.Random(0)
        tokens = [numbers.randrange(self.sizes["vocabulary"]) for _ in range(100)]
        npz.write(inputs, {"input_ids": npz.from_integers([1, 100], tokens)})
        self.onnxruntime("--inputs", inputs, "--outputs", wanted)
        command = [self.bin / "hybrid-run", self.artifact, "--json"]
        report = json.loads(
            output_of([*command, "--inputs", inputs, "--compare", wanted])
        )
        return report["runs"][0]["compare"][0]["max_abs_difference"]

    def onnxruntime(self, *arguments):
        command = [self.python, HERE / "run_onnxruntime.py", self.model]
        # Opset 27 is newer than what onnxruntime calls released.
        environment = {**os.environ, "ALLOW_RELEASED_ONNX_OPSET_ONLY": "0"}
        command += ["--threads", self.args.threads, *arguments]
        return output_of(command, env=environment)

    def time_onnxruntime(self):
        result = json.loads(
            self.onnxruntime(
                "--prefill",
                ",".join(map(str, PREFILL)),
                "--context",
                CONTEXT,
                "--steps",
                STEPS,
                "--vocabulary",
                self.sizes["vocabulary"],
            )
        )
        times = {f"prefill {n}": result["prefill"][str(n)] for n in PREFILL}
        return {**times, f"decode at {CONTEXT}": result["decode"]}

    def share(self, phase, rate):
        """How much of the machine's limit `rate` tokens per second are."""
        if phase.startswith("decode"):
            limit = self.limits["read_gb_per_second"] * 1e9
            return rate * self.sizes["decode_bytes"] / limit, "memory"
        length = phase.split()[1]
        limit = self.limits["fma_gflops"] * 1e9
        flops = self.sizes["prefill_flops"][length]
        return rate / int(length) * flops / limit, "FMA"

    def run(self):
        compiled = self.compile(self.model, self.artifact)
        difference = self.check()
        rounds = []
        for index in range(self.args.rounds):
            print(f"round {index + 1} of {self.args.rounds}", flush=True)
            sides = {
                "hybrid": lambda: self.time(self.artifact),
                "onnxruntime": self.time_onnxruntime,
            }
            # Neither side is always the first.
            order = list(sides) if index % 2 else list(reversed(sides))
            rounds.append({side: sides[side]() for side in order})
        return {
            "sizes": self.sizes,
            "limits": self.limits,
            "compile": compiled,
            "largest_logit_difference": difference,
            "rounds": rounds,
        }

    def print_table(self, result):
        limits = self.limits
        seconds = sum(result["compile"]["seconds"].values())
        print(
            f"\n{self.sizes['parameters'] / 1e6:.0f} M parameters, float32, "
            f"{limits['threads']} threads; compiled in {seconds:.1f} s; logits "
            f"differ by at most {result['largest_logit_difference']:.2g}\n"
            f"limits: {limits['read_gb_per_second']:.1f} GB/s, "
            f"{limits['fma_gflops']:.0f} GFLOP/s\n"
        )
        print(
            f"{'tok/s':<16}{'hybrid':>10}{'onnxruntime':>13}{'ratio':>8}"
            f"{'of the limit, each':>26}"
        )
        for phase in result["rounds"][0]["hybrid"]:
            ours, theirs = (
                statistics.median(r[side][phase] for r in result["rounds"])
                for side in ("hybrid", "onnxruntime")
            )
            (mine, limit), (other, _) = self.share(phase, ours), self.share(
                phase, theirs
            )
            shares = f"{mine:.0%} and {other:.0%} of {limit}"
            print(
                f"{phase:<16}{ours:>10.1f}{theirs:>13.1f}{ours / theirs:>8.2f}"
                f"{shares:>26}"
            )


def main():
    benchmark = Benchmark(common.parse_arguments(__doc__.splitlines()[0], rounds=3))
    result = benchmark.run()
    name = common.save(result, "peers")
    benchmark.print_table(result)
    print(f"\nwritten to {name}")


if __name__ == "__main__":
    main()
