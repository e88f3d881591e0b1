"""The Python environment of tests and benchmarks: BUILD/venv.

It holds what the requirements files list; nothing of it is needed to build or
to use the compiler.
"""

import subprocess
import sys
from pathlib import Path


def ensure(build, requirements):
    """Installs a requirements file unless that is done; returns the python."""
    venv = Path(build) / "venv"
    python = venv / "bin/python"
    wanted = Path(requirements).read_text()
    stamp = venv / (Path(requirements).resolve().parent.name + ".installed")
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    install = [python, "-m", "pip", "install", "--quiet"]
    install += ["--disable-pip-version-check", "-r", requirements]
    subprocess.run([str(word) for word in install], check=True)
    stamp.write_text(wanted)
    return python
