#!/usr/bin/env python3
"""The loss of a compiled byte-level model on a text, in nats per byte.

score.py MODEL.hyb TEXT [--window N] [--steps N,N,…] [--hybrid-run FILE]

The text is cut into windows of N + 1 bytes that share their ends: a byte is
predicted from those before it in its window. What is left over is not scored.
Needs the standard library only.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "utils"))

import npz  # noqa: E402
import tools  # noqa: E402

ROWS = 8  # windows of a call
VOCABULARY = 256


def windows_of(data, length):
    """Rows of length + 1 bytes; the last byte of a row is the first of the next."""
    return [
        data[begin : begin + length + 1]
        for begin in range(0, len(data) - length, length)
    ]


def log_likelihood(logits, token):
    """ln softmax(logits)[token]"""
    largest = max(logits)
    return (
        logits[token]
        - largest
        - math.log(sum(math.exp(value - largest) for value in logits))
    )


def run_loss(hybrid_run, model, rows, steps, threads):
    """Sum of the losses of all predicted bytes of `rows`, computed in one session.

    `steps` are the lengths of its calls.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [hybrid_run, model, "--outputs", folder, "--threads", threads]
        begin = 0
        for call, length in enumerate(steps):
            path = Path(folder) / f"inputs{call}.npz"
            ids = [byte for row in rows for byte in row[begin : begin + length]]
            npz.write(path, {"input_ids": npz.from_integers((len(rows), length), ids)})
            command += ["--inputs", path]
            begin += length
        tools.call(command)
        total = begin = 0
        for call, length in enumerate(steps):
            data = npz.read(Path(folder) / f"{call}.npz")["logits"]
            if npz.shape(data) != (len(rows), length, VOCABULARY):
                raise ValueError(
                    f"logits are {npz.shape(data)}, not those of {VOCABULARY} bytes"
                )
            values = npz.floats(data)
            targets = [
                byte for row in rows for byte in row[begin + 1 : begin + 1 + length]
            ]
            for index, target in enumerate(targets):
                total -= log_likelihood(
                    values[index * VOCABULARY : (index + 1) * VOCABULARY], target
                )
            begin += length
        return total


def loss(hybrid_run, model, windows, steps=None, threads=1):
    """Mean loss of windows of equal length, in nats per byte.

    `steps` are the lengths of the calls that a window is fed in (default: one).
    """
    length = len(windows[0]) - 1
    steps = steps or [length]
    if sum(steps) != length:
        raise ValueError(f"steps of {sum(steps)} bytes for windows of {length}")
    parts = [windows[begin : begin + ROWS] for begin in range(0, len(windows), ROWS)]
    total = sum(run_loss(hybrid_run, model, part, steps, threads) for part in parts)
    return total / (length * len(windows))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL.hyb")
    parser.add_argument("text", type=Path, metavar="TEXT")
    parser.add_argument(
        "--window",
        type=int,
        default=1024,
        help="bytes predicted in a row (default 1024)",
    )
    parser.add_argument(
        "--steps",
        help="lengths of the calls that a window is fed in (default: one call)",
    )
    parser.add_argument(
        "--hybrid-run", default="hybrid-run", help="the program (default: from PATH)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="threads to run on (default 1)"
    )
    args = parser.parse_args()
    try:
        windows = windows_of(args.text.read_bytes(), args.window)
        if not windows:
            raise ValueError(
                f"{args.text} is shorter than a window of {args.window} + 1 bytes"
            )
        steps = [int(step) for step in args.steps.split(",")] if args.steps else None
        value = loss(args.hybrid_run, args.model, windows, steps, args.threads)
    except (OSError, ValueError, tools.Refused, tools.Broken) as error:
        sys.exit(f"score.py: error: {error}")
    print(
        f"{len(windows)} windows of {args.window} bytes: {value:.6f} nats per byte, {value / math.log(2):.4f} bits"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
