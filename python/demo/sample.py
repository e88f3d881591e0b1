#!/usr/bin/env python3
"""Lets a compiled byte-level model go on from a prompt.

sample.py MODEL.hyb PROMPT [-n N] [--temperature T] [--seed S] [--hybrid-run FILE]

One call of hybrid-run per byte; a snapshot carries the states from one to the
next. This shows what a training gave; it is no way to serve a model.
Needs numpy.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def bytes_after(args, folder):
    """Yields sampled bytes."""
    generator = np.random.default_rng(args.seed)
    ids, restore = list(args.prompt.encode()), []
    for _ in range(args.n):
        np.savez(folder / "inputs.npz", input_ids=np.array([ids], np.int64))
        command = [
            args.hybrid_run,
            args.model,
            "--inputs",
            folder / "inputs.npz",
            "--threads",
            "1",
        ]
        command += ["--outputs", folder, "--snapshot", folder / "states", *restore]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        logits = np.load(folder / "0.npz")["logits"][0, -1].astype(np.float64)
        weights = np.exp((logits - logits.max()) / args.temperature)
        ids = [int(generator.choice(len(weights), p=weights / weights.sum()))]
        restore = ["--restore", folder / "states"]
        yield bytes(ids)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL.hyb")
    parser.add_argument("prompt", metavar="PROMPT")
    parser.add_argument(
        "-n", type=int, default=500, help="bytes to write (default 500)"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.7, help="above 0 (default 0.7)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--hybrid-run", default="hybrid-run", help="the program (default: from PATH)"
    )
    args = parser.parse_args()
    if not args.prompt or not args.temperature > 0:
        parser.error("the prompt must not be empty, the temperature must be above 0")
    print(args.prompt, end="", flush=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for byte in bytes_after(args, Path(folder)):
                sys.stdout.buffer.write(byte)
                sys.stdout.buffer.flush()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"\nsample.py: error: {error}")
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
