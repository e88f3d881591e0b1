#!/usr/bin/env python3
"""Runs the tests of the Python package on a finished build.

run_python_tests.py BUILD [--filter SUBSTRING]

The packages of requirements.txt are installed into BUILD/venv; the tests run
there, on the package of this checkout and the tools of BUILD. The last line is
"N passed, N failed".
"""

import argparse
import os
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--filter")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def call_inside(args):
    """Runs this script in the environment."""
    sys.path.insert(0, str(SOURCE / "utils"))
    import pyenv

    build = args.build.resolve()
    python = pyenv.ensure(build, HERE / "requirements.txt")
    environment = dict(os.environ)
    environment["PYTHONPATH"] = str(SOURCE / "python")
    environment["HYBRID_HOME"] = str(build)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [python, __file__, build, "--inside"]
    command += ["--filter", args.filter] if args.filter else []
    return subprocess.run(list(map(str, command)), env=environment).returncode


def run_tests(args):
    # Threads of a session wait for each other busily, which takes long where
    # other programs run, too. So sessions have one thread by default.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    loader = unittest.TestLoader()
    if args.filter:
        loader.testNamePatterns = [f"*{args.filter}*"]
    suite = loader.discover(str(HERE))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite)
    broken = {str(test) for test, _ in result.failures + result.errors}
    failed = len(broken) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed - len(result.skipped)
    print(f"{max(passed, 0)} passed, {failed} failed")
    return 1 if failed or not passed else 0


def main():
    args = parse_arguments()
    return run_tests(args) if args.inside else call_inside(args)


if __name__ == "__main__":
    sys.exit(main())
