#!/usr/bin/env python3
"""Runs the suites on a finished build, one after another, and sums them up.

check.py BUILD [--jobs N] [--suites lint,lit,unit,models,conformance,python,demo]

A suite that stops without saying how many tests passed counts as one failure.
The last line is "N passed, N failed"; the exit code is 0 if nothing failed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree
from collections import Counter
from pathlib import Path

TEST = Path(__file__).resolve().parent
SOURCE = TEST.parent
LIT = "/usr/lib/llvm-22/bin/lit"


class Suite:
    """Counts of one suite; `ok` is whether its command succeeded."""

    def __init__(self, passed, failed, ok):
        self.passed = passed
        # A command that fails without a failed test is a failure, too.
        self.failed = failed if ok or failed else 1


def run_script(command):
    """Runs a script of ours, whose last line is "N passed, N failed"."""
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True
    )
    last = ""
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        last = line.strip() or last
    ok = process.wait() == 0
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if not counts:
        return Suite(0, 0, False)
    return Suite(int(counts[1]), int(counts[2]), ok)


def lint(args):
    return run_script([sys.executable, SOURCE / "utils/lint_passes.py"])


def run_lit(args, roundtrip):
    report = args.build / "test/lit.json"
    report.unlink(missing_ok=True)
    environment = dict(os.environ)
    environment.pop("HYBRID_OPT_CHECK_IR_ROUNDTRIP", None)
    if roundtrip:
        environment["HYBRID_OPT_CHECK_IR_ROUNDTRIP"] = "1"
    command = ["timeout", "-k", "10", "1200"]
    command += [LIT, "-sv", f"-j{args.jobs}", "-o", str(report)]
    command += [str(args.build / "test")]
    ok = subprocess.run(command, env=environment).returncode == 0
    if not report.exists():
        return Suite(0, 0, False)
    codes = Counter(t["code"] for t in json.loads(report.read_text())["tests"])
    passed = codes["PASS"] + codes["XFAIL"] + codes["FLAKYPASS"]
    ignored = codes["UNSUPPORTED"] + codes["EXCLUDED"] + codes["SKIPPED"]
    return Suite(passed, sum(codes.values()) - passed - ignored, ok)


def lit(args):
    return run_lit(args, roundtrip=False)


def lit_roundtrip(args):
    return run_lit(args, roundtrip=True)


def unit(args):
    report = args.build / "test/ctest.xml"
    report.unlink(missing_ok=True)
    command = ["ctest", "--test-dir", str(args.build / "test")]
    command += ["--output-on-failure", f"-j{args.jobs}"]
    command += ["--output-junit", str(report)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    ok = process.returncode == 0
    for line in process.stdout.splitlines():
        if not re.search(r"^ +Start +\d+:| Passed +[\d.]+ sec$", line):
            print(line)
    if not report.exists():
        return Suite(0, 0, False)
    document = xml.etree.ElementTree.parse(report)
    cases = Counter(map(unit_status, document.iter("testcase")))
    return Suite(cases["passed"], cases["failed"], ok)


def unit_status(case):
    """passed, failed or skipped. A test that is not built has failed."""
    status = case.get("status")
    if status == "run":
        return "passed"
    skipped = case.find("skipped")
    by_itself = skipped is not None and "SKIP" in skipped.get("message", "")
    return "skipped" if status == "disabled" or by_itself else "failed"


def models(args):
    command = [sys.executable, TEST / "Models/run_models.py", args.build]
    return run_script(command + ["--jobs", args.jobs])


def conformance(args):
    command = [sys.executable, TEST / "Conformance/run_node_tests.py", args.build]
    return run_script(command + ["--jobs", args.jobs])


def python(args):
    return run_script([sys.executable, TEST / "Python/run_python_tests.py", args.build])


def demo(args):
    return run_script([sys.executable, TEST / "Demo/run_demo.py", args.build])


SUITES = {
    "lint": [("lint", lint)],
    "lit": [("lit", lit), ("lit, IR round trip", lit_roundtrip)],
    "unit": [("unit tests", unit)],
    "models": [("whole models", models)],
    "conformance": [("ONNX conformance", conformance)],
    "python": [("Python package", python)],
    "demo": [("trained demo", demo)],
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--suites", default=",".join(SUITES))
    args = parser.parse_args()
    unknown = set(args.suites.split(",")) - set(SUITES)
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    args.build = args.build.resolve()
    return args


def main():
    args = parse_arguments()
    rows = []
    for name in args.suites.split(","):
        for title, function in SUITES[name]:
            print(f"\n=== {title}", flush=True)
            begin = time.monotonic()
            suite = function(args)
            rows.append((title, suite, time.monotonic() - begin))
    print(f"\n{'suite':<20} {'passed':>7} {'failed':>7} {'seconds':>8}")
    for title, suite, seconds in rows:
        print(f"{title:<20} {suite.passed:>7} {suite.failed:>7} {seconds:>8.1f}")
    passed = sum(suite.passed for _, suite, _ in rows)
    failed = sum(suite.failed for _, suite, _ in rows)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
