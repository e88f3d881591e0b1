#!/usr/bin/env python3
"""Times the workloads of ../shared/peers beside onnxruntime, llama.cpp and PyTorch.

peers.py BUILD [--only W1 …] [--dtypes f32 bf16 q8 q4] [--rounds N] [--threads N]
         [--peers onnxruntime llama.cpp torch] [--folder DIR] [--llama DIR]
         [--torch PYTHON]

Workloads have 200 to 290 million parameters (workloads.py in DIR, default
../shared/peers): W1 like Llama, W2 Mamba-2, W3 Mamba-2 and attention 5:1, W4 both
side by side, W5 gated DeltaNet and attention 3:1. We and onnxruntime read the same
ONNX file, once in operators of ai.onnx and once in those of com.microsoft (the
faster one of the two counts for onnxruntime); llama.cpp and PyTorch build the same
architecture with random weights.

llama.cpp is built from the sources in the Python package llama-cpp-python unless
--llama names a folder with llama-bench and llama-batched-bench. PyTorch is timed
only where --torch names an interpreter that has torch and transformers.

All sides run one after another, round by round; the table holds each side's best
round: other work on the machine only ever makes something slower.

  pp N       tokens per second of a prefill of N tokens
  tg @C xB   of single steps of B sequences behind C positions

Shares are of the machine's measured limits: FMA in float32 for prefill (more than
100 % where matrix units do the work), memory for steps.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import common
from common import SOURCE, output_of

KEYS = ["pp512", "pp2048", "tg@512x1", "tg@4096x1", "tg@512x4"]
LLAMA = "llama-cpp-python==0.3.36"
WEIGHT_BYTES = {"f32": 4, "bf16": 2, "f16": 2, "q8": 1 + 4 / 32, "q4": 0.5 + 4 / 32}
GGUF_TYPES = {"f32": "f32", "bf16": "bf16", "q8": "q8_0", "q4": "q4_0"}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="\n".join(__doc__.splitlines()[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    workloads = ["W1", "W2", "W3", "W4", "W5"]
    parser.add_argument("build", type=Path)
    parser.add_argument("--only", nargs="+", choices=workloads, default=workloads)
    parser.add_argument(
        "--dtypes", nargs="+", choices=list(WEIGHT_BYTES), default=["f32", "bf16"]
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=["onnxruntime", "llama.cpp", "torch"],
        default=["onnxruntime", "llama.cpp"],
    )
    parser.add_argument(
        "--folder", type=Path, default=SOURCE.parent / "shared" / "peers"
    )
    parser.add_argument("--llama", type=Path)
    parser.add_argument("--torch", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.folder = args.folder.resolve()
    if not (args.folder / "workloads.py").exists():
        parser.error(
            f"{args.folder} has no workloads.py: name their folder by --folder"
        )
    if args.torch and "torch" not in args.peers:
        args.peers.append("torch")
    if "torch" in args.peers and not args.torch:
        parser.error("--peers torch needs --torch PYTHON")
    return args


class Peers(common.Workshop):
    def __init__(self, args):
        print("preparing: Python packages, peers, the limits", flush=True)
        super().__init__(args)
        sys.path.insert(0, str(args.folder))
        import workloads

        self.workloads = workloads
        self.limits = self.measure_limits()
        if "llama.cpp" in args.peers and not args.llama:
            args.llama = self.build_llama()

    def build_llama(self):
        folder = self.work / "llama.cpp"
        programs = folder / "build" / "bin"
        if (programs / "llama-bench").exists():
            return programs
        print("building llama.cpp", flush=True)
        output_of(
            [self.python, "-m", "pip", "download", "-q", "--no-deps"]
            + ["--no-binary", ":all:", "-d", self.work, LLAMA]
        )
        archive = next(self.work.glob("llama_cpp_python-*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(self.work, filter="data")
        sources = next(self.work.glob("llama_cpp_python-*/vendor/llama.cpp"))
        sources.rename(folder)
        output_of(
            ["cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja"]
            + ["-DGGML_NATIVE=ON", "-DCMAKE_BUILD_TYPE=Release", "-DLLAMA_CURL=OFF"]
        )
        targets = ["llama-bench", "llama-batched-bench"]
        output_of(["cmake", "--build", folder / "build", "--target", *targets])
        return programs

    def make(self, workload, dtype, dialect):
        """The workload's ONNX file, written if it isn't there."""
        model = self.work / f"{workload}.{dtype}.{dialect}.onnx"
        if not model.exists():
            script = [self.args.folder / "make_onnx.py", workload, model]
            output_of(
                [self.python, *script, "--dialect", dialect, "--dtype", dtype],
                cwd=self.args.folder,
            )
        return model

    def dialects(self, dtype):
        # MatMulNBits stands in both; onnxruntime has no bfloat16 on CPUs.
        return {"bf16": [], "f32": ["std", "ms"]}.get(dtype, ["ms"])

    # One side each: a function that times it once, or None.

    def hybrid(self, workload, dtype):
        model = self.make(workload, dtype, "std")
        artifact = model.with_suffix(".hyb")
        options = ["--max-batch", "4", "--max-seq", "4096", "--max-context", "6144"]
        output_of([self.bin / "hybrid-compile", model, "-o", artifact, *options])

        def rates(length, steps, batch=1):
            command = [self.bin / "hybrid-run", artifact, "--bench", "--json"]
            command += ["--threads", self.args.threads, "--repeat", 1]
            command += ["--prompt-len", length, "--decode", steps, "--batch", batch]
            phases = json.loads(output_of(command))["phases"]
            return {phase["name"]: phase["tokens_per_second"] for phase in phases}

        def once():
            short, wide = rates(512, 32), rates(512, 16, 4)
            return {
                "pp512": short["prefill"],
                "tg@512x1": short["decode"],
                "pp2048": rates(2048, 0)["prefill"],
                "tg@4096x1": rates(4096, 32)["decode"],
                "tg@512x4": wide["decode"],
            }

        return once

    def onnxruntime(self, workload, dtype):
        models = [self.make(workload, dtype, each) for each in self.dialects(dtype)]
        if not models:
            return None

        def once():
            best = {}
            for model in models:
                command = [self.python, self.args.folder / "bench_ort.py", model]
                command += ["--threads", self.args.threads, "--reps", 1, "--steps", 16]
                best = self.best(best, self.last_line(command))
            return best

        return once

    def llama(self, workload, dtype):
        kind = GGUF_TYPES.get(dtype)
        if not kind:
            return None
        model = self.work / f"{workload}.{kind}.gguf"
        if not model.exists():
            script = [self.args.folder / "make_gguf.py", workload, kind, model]
            output_of([self.python, *script], cwd=self.args.folder)
        script = [self.args.folder / "bench_llamacpp.py", self.args.llama, model]
        return lambda: self.last_line([self.python, *script])

    def torch(self, workload, dtype):
        if dtype not in ("f32", "bf16"):
            return None
        command = [self.args.torch, self.args.folder / "bench_torch.py", workload]
        command += ["--dtype", dtype, "--decode", "512x1,512x4"]
        return lambda: self.last_line(command)

    def last_line(self, command):
        environment = {**os.environ, "ALLOW_RELEASED_ONNX_OPSET_ONLY": "0"}
        try:
            text = output_of(
                command,
                cwd=self.args.folder,
                env=environment,
                stderr=subprocess.DEVNULL,
                timeout=1800,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"  {command[1]}: {error}", flush=True)
            return {}
        return json.loads(text.splitlines()[-1])

    @staticmethod
    def best(one, other):
        return {
            key: max(one.get(key, 0), other.get(key, 0))
            for key in KEYS
            if key in one or key in other
        }

    def share(self, workload, dtype, key, rate):
        """How much of the machine's limit `rate` tokens per second are."""
        design = self.workloads.W[workload]
        if key.startswith("pp"):
            length = int(key[2:])
            flops = self.workloads.prefill_flops(design, length) / length
            return rate * flops / (self.limits["fma_gflops"] * 1e9)
        context, batch = map(int, key[3:].split("x"))
        width = WEIGHT_BYTES[dtype]
        other = 4 if width > 2 else 2
        moved = self.workloads.decode_bytes(design, context, batch, width, other, other)
        return rate / batch * moved / (self.limits["read_gb_per_second"] * 1e9)

    def time(self, workload, dtype):
        makers = {"onnxruntime": self.onnxruntime, "llama.cpp": self.llama}
        makers["torch"] = self.torch
        sides = {"hybrid": self.hybrid(workload, dtype)}
        for peer in self.args.peers:
            sides[peer] = makers[peer](workload, dtype)
        sides = {name: side for name, side in sides.items() if side}
        result = {name: {} for name in sides}
        for index in range(self.args.rounds):
            for name in list(sides) if index % 2 else reversed(list(sides)):
                print(f"  {workload} {dtype} round {index + 1}: {name}", flush=True)
                result[name] = self.best(result[name], sides[name]())
        return result

    def print_table(self, workload, dtype, result):
        title = self.workloads.W[workload]["title"]
        names = list(result)
        print(f"\n{workload} {title}, {dtype}, {self.args.threads} threads")
        print(f"{'tok/s':<11}" + "".join(f"{name:>13}" for name in names), end="")
        print(f"{'to the best':>13}{'of the limit':>14}")
        for key in KEYS:
            ours = result["hybrid"].get(key)
            theirs = [result[name].get(key) for name in names[1:]]
            print(f"{key:<11}", end="")
            for rate in [ours, *theirs]:
                print(f"{rate:>13.1f}" if rate else f"{'-':>13}", end="")
            best = max((rate for rate in theirs if rate), default=None)
            print(f"{ours / best:>13.2f}" if ours and best else f"{'-':>13}", end="")
            share = self.share(workload, dtype, key, ours) if ours else 0
            print(f"{share:>14.0%}", flush=True)


def main():
    peers = Peers(parse_arguments())
    limits = peers.limits
    print(
        f"limits: {limits['read_gb_per_second']:.1f} GB/s, "
        f"{limits['fma_gflops']:.0f} GFLOP/s",
        flush=True,
    )
    results = {}
    for workload in peers.args.only:
        for dtype in peers.args.dtypes:
            result = peers.time(workload, dtype)
            results[f"{workload} {dtype}"] = result
            peers.print_table(workload, dtype, result)
    name = common.save({"limits": limits, "results": results}, "workloads")
    print(f"\nwritten to {name}")


if __name__ == "__main__":
    main()
