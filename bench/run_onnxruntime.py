#!/usr/bin/env python3
"""Times one ONNX file with onnxruntime; prints one JSON object.

run_onnxruntime.py MODEL.onnx --threads N --prefill 512,2048 --context 512
    --steps 32 [--inputs IN.npz --outputs OUT.npz]

States stay in onnxruntime's own values between calls (I/O binding). With
--inputs, it runs these once in a fresh session and writes the logits instead.
"""

import argparse
import json
import statistics
import time

import numpy as np
import onnxruntime as ort

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Session:
    def __init__(self, path, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        begin = time.perf_counter()
        self.session = ort.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.load_seconds = time.perf_counter() - begin
        self.reset()

    def reset(self):
        self.position = 0
        self.states = {}
        for value in self.session.get_inputs():
            if value.name.startswith("past_"):
                symbols = {"batch": 1, "past": 0}
                shape = [symbols.get(d, d) for d in value.shape]
                zeros = np.zeros(shape, DTYPES[value.type])
                name = value.name.removeprefix("past_")
                self.states[name] = ort.OrtValue.ortvalue_from_numpy(zeros)

    def step(self, tokens):
        """Runs [1, T] tokens; returns logits and seconds."""
        length = tokens.shape[1]
        positions = np.arange(self.position, self.position + length)[None]
        binding = self.session.io_binding()
        binding.bind_cpu_input("input_ids", tokens)
        binding.bind_cpu_input("position_ids", positions)
        for name, value in self.states.items():
            binding.bind_ortvalue_input("past_" + name, value)
        names = [output.name for output in self.session.get_outputs()]
        for name in names:
            binding.bind_output(name, "cpu")
        begin = time.perf_counter()
        self.session.run_with_iobinding(binding)
        seconds = time.perf_counter() - begin
        results = dict(zip(names, binding.get_outputs()))
        self.states = {name: results["present_" + name] for name in self.states}
        self.position += length
        return results["logits"].numpy(), seconds


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prefill", default="")
    parser.add_argument("--context", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--vocabulary", type=int, default=2)
    parser.add_argument("--inputs")
    parser.add_argument("--outputs")
    return parser.parse_args()


def main():
    args = parse_arguments()
    session = Session(args.model, args.threads)
    if args.inputs:
        logits, _ = session.step(np.load(args.inputs)["input_ids"])
        np.savez(args.outputs, logits=logits)
        return
    random = np.random.default_rng(0)

    def tokens(length):
        return random.integers(0, args.vocabulary, (1, length))

    result = {"version": ort.__version__, "load_seconds": session.load_seconds}
    result["prefill"] = {}
    for length in map(int, args.prefill.split(",")):
        session.reset()
        session.step(tokens(length))  # memory of this size
        session.reset()
        result["prefill"][length] = length / session.step(tokens(length))[1]
    session.reset()
    session.step(tokens(args.context))
    times = [session.step(tokens(1))[1] for _ in range(args.steps)]
    result["decode"] = 1 / statistics.median(times)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
