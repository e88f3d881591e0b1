#!/usr/bin/env python3
"""Assembles a model's kernels with ptxas and checks what it says of them.

lint_images.py HYBRID-COMPILE MODEL.onnx ARCH …

Fails on spills, on warnings, and on kernels with more registers than let two
blocks of 256 threads run side by side (128). Prints a line per architecture.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

MOST_REGISTERS = 128


def find_ptxas():
    import os
    import shutil

    for root in (os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"):
        if root and (Path(root) / "bin/ptxas").exists():
            return str(Path(root) / "bin/ptxas")
    return shutil.which("ptxas")


def lint(compiler, model, arch, ptxas):
    """(number of kernels, what is wrong)."""
    with tempfile.TemporaryDirectory() as work:
        ptx = Path(work) / "kernels.ptx"
        command = [compiler, model, f"--target=cuda:{arch}", "--emit=ptx", "-o", ptx]
        subprocess.run(command, check=True)
        done = subprocess.run(
            [ptxas, f"-arch={arch}", "-O3", "-v", ptx, "-o", Path(work) / "cubin"],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        return 0, [done.stderr.strip()]
    problems, kernel, count = [], "?", 0
    for line in done.stderr.splitlines():
        if found := re.search(r"Compiling entry function '(\S+)'", line):
            kernel = found[1]
            count += 1
        for amount in re.findall(r"(\d+) bytes spill", line):
            if int(amount):
                problems.append(f"{kernel}: {line.strip()}")
                break
        if found := re.search(r"Used (\d+) registers", line):
            if int(found[1]) > MOST_REGISTERS:
                problems.append(f"{kernel}: {found[1]} registers")
        if "warning" in line.lower():
            problems.append(line.strip())
    return count, problems


def main():
    compiler, model, *architectures = sys.argv[1:]
    ptxas = find_ptxas()
    failed = False
    for arch in architectures:
        count, problems = lint(compiler, model, arch, ptxas)
        print(f"{arch}: {count} kernels, {len(problems)} problems")
        for problem in problems:
            print("  " + problem)
        failed |= bool(problems) or not count
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
