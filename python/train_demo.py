#!/usr/bin/env python3
"""Trains the demo model and writes it as ONNX.

train_demo.py --out DIR [--minutes N | --steps N] [--resume]

The text comes from Debian's packages bible-kjv-text and bible-kjv (see
demo/text.py), the model is in demo/model.py, its ONNX form in demo/export.py;
demo/requirements.txt lists what has to be installed.

DIR gets log.jsonl (a line per report and per evaluation), checkpoint.pt
(every few minutes; --resume goes on from it) and at the end model.onnx,
tokenizer.json, genai_config.json, held-out.txt and training.json: sizes,
figures of the training, and the loss on held-out.txt.
"""

import argparse
import dataclasses
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from demo import export, text, tokenizer
from demo.model import Config, Model

SEED = 1
RATE = 3e-3
WARM_UP = 0.02  # parts of the training
LONG = 0.85  # from here on the windows are long ones
SHORT_WINDOW, LONG_WINDOW = 256, 2048
TOKENS = 4096  # a step
WEIGHT_DECAY = 0.1
CLIP = 1.0
EVALUATION_WINDOW = 1024  # bytes that are predicted, each from those before it
REPORT_SECONDS, SAVE_SECONDS, EVALUATE_SECONDS = 15, 120, 300
QUICK_WINDOWS = 12  # of the evaluations on the way


class Windows:
    """Shuffled windows of length + 1 bytes; each epoch cuts them elsewhere."""

    def __init__(self, data):
        self.data = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
        self.generator = torch.Generator().manual_seed(SEED)
        self.length, self.queue = 0, []

    def next(self, length, count):
        if length != self.length:
            self.length, self.queue = length, []
        while len(self.queue) < count:
            phase = int(torch.randint(length, (1,), generator=self.generator))
            starts = torch.arange(phase, len(self.data) - length - 1, length)
            order = torch.randperm(len(starts), generator=self.generator)
            self.queue += starts[order].tolist()
        starts, self.queue = self.queue[:count], self.queue[count:]
        return torch.stack(
            [self.data[start : start + length + 1] for start in starts]
        ).long()


def evaluation_windows(data):
    """Rows of EVALUATION_WINDOW + 1 bytes that share their ends; the rest of `data` is left out."""
    bytes_ = np.frombuffer(data, np.uint8)
    starts = np.arange(0, len(bytes_) - EVALUATION_WINDOW, EVALUATION_WINDOW)
    return torch.from_numpy(
        bytes_[starts[:, None] + np.arange(EVALUATION_WINDOW + 1)]
    ).long()


@torch.no_grad()
def evaluate(model, windows):
    """Mean loss in float32, nats per byte."""
    losses = [
        model.loss(batch.to(model.norm.weight.device)) * len(batch)
        for batch in windows.split(4)
    ]
    return float(sum(losses)) / len(windows)


def learning_rate(progress):
    """Linear warm-up, then a cosine down to a fiftieth. `progress` is in 0..1."""
    if progress < WARM_UP:
        return RATE * max(progress / WARM_UP, 1e-2)
    phase = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return RATE * (0.02 + 0.98 * (1 + math.cos(math.pi * phase)) / 2)


def make_optimizer(model):
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95), fused=True)


class Training:
    """The state of a training: what a checkpoint holds."""

    def __init__(self, args, data):
        torch.manual_seed(SEED)
        self.args = args
        self.model = Model(Config()).to(args.device)
        self.loss = (
            torch.compile(self.model.loss, dynamic=False)
            if args.compile
            else self.model.loss
        )
        self.optimizer = make_optimizer(self.model)
        self.windows = Windows(data)
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.log = args.out / "log.jsonl"

    def progress(self):
        if self.args.steps:
            return self.step / self.args.steps
        return self.seconds / (60 * self.args.minutes)

    def train_step(self):
        """One step; returns the loss of its batch as a tensor."""
        progress = self.progress()
        length = LONG_WINDOW if progress >= LONG else SHORT_WINDOW
        batch = self.windows.next(length, TOKENS // length).to(self.args.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(progress)
        with torch.autocast(self.args.device, dtype=torch.bfloat16):
            loss = self.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += TOKENS
        return loss.detach()

    def report(self, **values):
        entry = {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
            **values,
        }
        print(" ".join(f"{name} {value}" for name, value in entry.items()), flush=True)
        with self.log.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def save(self):
        path = self.args.out / "checkpoint.pt"
        counters = {name: getattr(self, name) for name in ("step", "tokens", "seconds")}
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(
            {**state, **counters, "config": dataclasses.asdict(self.model.config)},
            f"{path}.part",
        )
        os.replace(f"{path}.part", path)

    def resume(self):
        """Goes on from the checkpoint; the windows are then other ones than without a break."""
        state = torch.load(
            self.args.out / "checkpoint.pt", map_location=self.args.device
        )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("step", "tokens", "seconds"):
            setattr(self, name, state[name])
        self.windows.generator.manual_seed(SEED + self.step)

    def run(self, held_out):
        """Trains to the end; evaluates on a part of `held_out` on the way."""
        begin = time.monotonic() - self.seconds
        saved = evaluated = reported = self.seconds
        losses, tokens = [], self.tokens
        while self.progress() < 1:
            losses.append(self.train_step())
            self.seconds = time.monotonic() - begin
            if self.seconds - reported >= REPORT_SECONDS:
                loss = float(torch.stack(losses).mean())
                speed = (self.tokens - tokens) / (self.seconds - reported)
                self.report(loss=round(loss, 4), tokens_per_second=round(speed))
                losses, tokens, reported = [], self.tokens, self.seconds
            if self.seconds - saved >= SAVE_SECONDS:
                self.save()
                saved = self.seconds
            if self.seconds - evaluated >= EVALUATE_SECONDS:
                self.report(
                    held_out=round(evaluate(self.model, held_out[:QUICK_WINDOWS]), 4)
                )
                evaluated = self.seconds
        self.save()


def write_results(training, excerpt, held_out):
    """What examples/demo holds, in the output folder."""
    model, out = training.model.to("cpu"), training.args.out
    windows = evaluation_windows(excerpt)
    result = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "config": dataclasses.asdict(model.config),
        "steps": training.step,
        "tokens": training.tokens,
        "minutes": round(training.seconds / 60, 1),
        "device": training.args.device,
        "torch": torch.__version__,
        "seed": SEED,
        "held_out": {
            "file": "held-out.txt",
            "window": EVALUATION_WINDOW,
            "windows": len(windows),
            "loss": evaluate(model, windows),
        },
        "held_out_whole_loss": evaluate(model, evaluation_windows(held_out)),
    }
    export.save(model, out / "model.onnx")
    (out / "held-out.txt").write_bytes(excerpt)
    documents = {
        "tokenizer.json": tokenizer.tokenizer(),
        "genai_config.json": tokenizer.genai_config(model.config.positions),
        "training.json": result,
    }
    for name, document in documents.items():
        (out / name).write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=float, default=50, help="time to train (default 50)"
    )
    length.add_argument(
        "--steps", type=int, help=f"steps of {TOKENS} bytes to train, instead of a time"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from DIR/checkpoint.pt"
    )
    parser.add_argument(
        "--device", default="cpu", help="device of torch: cpu (default) or cuda"
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)"
    )
    parser.add_argument(
        "--no-compile",
        dest="compile",
        action="store_false",
        help="do without torch.compile",
    )
    return parser.parse_args()


def main():
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    try:
        train, held_out, excerpt = text.split(args.out / "text")
    except text.NoText as error:
        sys.exit(f"train_demo.py: error: {error}")
    training = Training(args, train)
    if args.resume:
        training.resume()
    count = sum(parameter.numel() for parameter in training.model.parameters())
    print(
        f"{len(train)} bytes to train on, {len(held_out)} held out; {count} parameters",
        flush=True,
    )
    training.run(evaluation_windows(excerpt))
    write_results(training, excerpt, held_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
