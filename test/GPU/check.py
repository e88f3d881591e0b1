#!/usr/bin/env python3
"""Runs packed models on the GPU of this machine and compares their results.

check.py [FOLDER] [--device cuda] [--filter REGEX] [--bench] [--sync] [--json FILE]

FOLDER is what pack.py has packed (default: where this file lies). Every case runs
within the tolerance of its model; a table comes last, exit code 1 if any differs.
--bench times the models packed for that instead. --sync waits for each kernel, so
that messages name the one that failed. Needs the standard library only.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).resolve().parent
    parser.add_argument("folder", type=Path, nargs="?", default=here)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--filter", default="")
    parser.add_argument("--bench", action="store_true")
    parser.add_argument("--bench-options", default="--prompt-len 512 --decode 64")
    parser.add_argument("--sync", action="store_true")
    parser.add_argument("--json", type=Path, help="write the results to a file")
    return parser.parse_args()


class Runner:
    def __init__(self, args):
        self.args = args
        self.env = dict(os.environ)
        if args.sync:
            self.env["HYBRID_CUDA_SYNC"] = "1"

    def run(self, model, *options, timeout=120):
        command = [self.args.folder / "hybrid-run", self.args.folder / f"{model}.hyb"]
        command += [f"--device={self.args.device}", *map(str, options)]
        try:
            return subprocess.run(
                command,
                capture_output=True,
                text=True,
                cwd=self.args.folder,
                env=self.env,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"over {timeout} s")

    def check(self, model, case):
        """(ok, largest difference or what went wrong)."""
        tolerance = model["tolerance"]
        options = ["--json", "--rtol", tolerance["rtol"], "--atol", tolerance["atol"]]
        for inputs, outputs in case["steps"]:
            options += ["--inputs", inputs, "--compare", outputs]
        done = self.run(model["name"], *options)
        try:
            runs = json.loads(done.stdout)["runs"]
        except (ValueError, KeyError):
            text = (done.stdout + done.stderr).strip() or f"exit {done.returncode}"
            return False, " ".join(text.split())[-300:]
        largest, wrong = 0.0, []
        for index, run in enumerate(runs):
            for entry in run["compare"]:
                if not entry["ok"]:
                    what = entry.get("problem") or entry["max_abs_difference"]
                    wrong.append(f"run {index}: {entry['name']} ({what})")
                elif entry["elements"]:
                    largest = max(largest, entry["max_abs_difference"])
        if wrong:
            return False, f"{len(wrong)} differ, first " + wrong[0]
        return True, largest


def check_models(runner, plan):
    results = []
    for model in plan["models"]:
        if not re.search(runner.args.filter, model["name"]):
            continue
        start, passed, largest, problem = time.time(), 0, 0.0, model.get("error", "")
        for case in model["cases"]:
            ok, what = runner.check(model, case)
            passed += ok
            if ok:
                largest = max(largest, what)
            elif not problem:
                problem = f"{case['name']}: {what}"
        results.append(
            {
                "model": model["name"],
                "cases": len(model["cases"]),
                "passed": passed,
                "largest": largest,
                "problem": problem,
                "seconds": time.time() - start,
            }
        )
        r = results[-1]
        state = "ok  " if r["passed"] == r["cases"] and not problem else "FAIL"
        print(
            f"{state} {r['model']:32} {r['passed']}/{r['cases']} "
            f"{r['largest']:.1e} {r['seconds']:.1f}s {problem}",
            flush=True,
        )
    good = sum(r["passed"] == r["cases"] and not r["problem"] for r in results)
    print(f"{good} of {len(results)} models pass on {runner.args.device}")
    return results, good == len(results)


def bench_models(runner, plan):
    results = []
    for model in plan["bench"]:
        if not re.search(runner.args.filter, model["name"]):
            continue
        options = ["--bench", "--per-kernel", *runner.args.bench_options.split()]
        done = runner.run(model["name"], *options, timeout=240)
        print(f"== {model['name']}\n{done.stdout}{done.stderr}", flush=True)
        results.append({"model": model["name"], "text": done.stdout})
    return results, True


def main():
    args = parse_arguments()
    plan = json.loads((args.folder / "plan.json").read_text())
    runner = Runner(args)
    work = bench_models if args.bench else check_models
    results, ok = work(runner, plan)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
