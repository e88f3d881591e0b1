#!/usr/bin/env python3
"""Makes the wheel of python/hybrid with the tools of a finished build.

build_wheel.py BUILD

The wheel goes to BUILD/wheel. What builds it is installed into BUILD/venv.
"""

import os
import subprocess
import sys
from pathlib import Path

import pyenv

SOURCE = Path(__file__).resolve().parent.parent
FOLDER = SOURCE / "python"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    build = Path(sys.argv[1]).resolve()
    python = pyenv.ensure(build, FOLDER / "requirements-build.txt")
    wheels = build / "wheel"
    wheels.mkdir(exist_ok=True)
    for old in wheels.glob("hybrid_compiler-*.whl"):
        old.unlink()
    command = [python, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-build-isolation"]
    command += ["--wheel-dir", wheels, FOLDER]
    environment = {**os.environ, "HYBRID_BUILD": str(build)}
    subprocess.run([str(word) for word in command], check=True, env=environment)
    for wheel in wheels.glob("*.whl"):
        print(f"{wheel} ({wheel.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
