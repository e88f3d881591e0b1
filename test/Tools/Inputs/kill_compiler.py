"""kill_compiler.py HYBRID-COMPILE FOLDER: compiles FOLDER/model.onnx over and
over to one artifact, with one of two capacities, and kills the compiler at
moments spread over its run: the artifact must always be one of the two."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

compiler = shutil.which(sys.argv[1])
folder = Path(sys.argv[2])
target = folder / "model.hyb"


def start(capacity, path):
    command = [compiler, folder / "model.onnx", f"--dim=n:{capacity}", "-o", path]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


whole = {}
for capacity in (100, 200):
    begin = time.monotonic()
    assert start(capacity, target).wait() == 0
    seconds = time.monotonic() - begin
    whole[capacity] = target.read_bytes()
assert whole[100] != whole[200]

killed = finished = 0
for trial in range(30):
    capacity = (100, 200)[trial % 2]
    before = target.read_bytes()
    process = start(capacity, target)
    # Dense around the end, where the file is written.
    part = (trial + 1) / 15 if trial < 15 else 0.8 + (trial - 15) / 25
    time.sleep(part * seconds)
    process.kill()
    killed += process.wait() != 0
    finished += process.returncode == 0
    after = target.read_bytes()
    if after not in (before, whole[capacity]):
        sys.exit(f"killed after {part * seconds:.3f} s, the artifact is damaged")
    if process.returncode == 0 and after != whole[capacity]:
        sys.exit("the compiler succeeded, but the old artifact is there")
print(f"killed {killed} times, finished {finished} times, always whole")
