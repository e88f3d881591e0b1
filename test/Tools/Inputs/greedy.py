"""greedy.py MODEL.hyb IDS N: continues token ids by hand.

Each token is a `hybrid-run --inputs` of its own, with the states in a file; the
next is the first of the largest logits. Prints the ids like hybrid-run does.
"""

import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "utils"))
import npz

model, ids, count = sys.argv[1], [int(i) for i in sys.argv[2].split(",")], sys.argv[3]
result = []
with tempfile.TemporaryDirectory() as directory:
    inputs, states = f"{directory}/in.npz", f"{directory}/states"
    command = ["hybrid-run", model, "--inputs", inputs, "--outputs", directory]
    command += ["--snapshot", states, "--threads", "1"]
    for step in range(int(count)):
        npz.write(inputs, {"input_ids": npz.from_integers((1, len(ids)), ids)})
        restore = ["--restore", states] if step else []
        subprocess.run(command + restore, check=True, stdout=subprocess.DEVNULL)
        logits = npz.read(f"{directory}/0.npz")["logits"]
        size = npz.shape(logits)[-1]
        row = struct.unpack(f"<{size}f", logits[-4 * size :])
        ids = [row.index(max(row))]
        result += ids
print(",".join(map(str, result)))
