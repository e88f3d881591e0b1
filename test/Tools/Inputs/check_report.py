"""check_report.py KIND [FILE]: looks at a report of hybrid-compile on stdin."""

import json
import math
import sys

#: Launches of a decode step. Of each layer, the feed-forward is 2. A mixer: the
#: projections, what is between, and the projection back.
MAMBA = {"embedding": 1, "0": 6, "1": 6, "2": 6, "3": 6, "head": 1}
HYMBA = {"embedding": 1, "0": 6, "1": 7, "2": 7, "head": 1}

FIGURES = (
    "launches",
    "kernels",
    "flops",
    "matrix_flops",
    "exps",
    "bytes_read",
    "bytes_written",
    "weight_bytes",
    "state_bytes",
    "predicted_seconds",
    "share",
)


def phase_of(report, name):
    return next(phase for phase in report["phases"] if phase["name"] == name)


def check_sums(report):
    """Layers, kernels and launches are the total; limits bind."""
    assert (report["format"], report["version"]) == ("hybrid-report", 1)
    device = next(d for d in report["devices"] if d["name"] == report["device"])
    for phase in report["phases"]:
        assert phase["unknown"] == [], phase["unknown"]
        total = phase["total"]
        assert math.isclose(total["share"], 1)
        for rows in ("layers", "kernels", "launches"):
            for figure in FIGURES:
                got = sum(row[figure] for row in phase[rows])
                assert math.isclose(got, total[figure]), (rows, figure)
        for row in phase["launches"]:
            assert row["launches"] == 1
            assert 0 <= row["matrix_flops"] <= row["flops"]
            assert 0 <= row["weight_bytes"] <= row["bytes_read"]
            traffic = row["bytes_read"] + row["bytes_written"]
            assert 0 <= row["state_bytes"] <= traffic
            least = max(
                row["matrix_flops"] / device["matrix_f32_flops"]
                + (row["flops"] - row["matrix_flops"]) / device["vector_f32_flops"],
                traffic / device["bytes_per_second"],
                row["exps"] / device["exps_per_second"],
            )
            want = least + device["launch_seconds"]
            assert math.isclose(row["predicted_seconds"], want), row
            assert (row["limit"] == "launch") == (least < device["launch_seconds"])
        cpu = phase["devices"][report["device"]]
        assert math.isclose(cpu, total["predicted_seconds"])


def launches(report, name):
    return {row["layer"]: row["launches"] for row in phase_of(report, name)["layers"]}


def mamba(report):
    check_sums(report)
    assert [p["name"] for p in report["phases"]] == ["prefill 512", "decode 512"]
    # What layers 0 to 3 (Mamba-2, attention, gated delta rule, Mamba-2) multiply
    # of each token, and what the head does of the last.
    mamba2, feed_forward = 64 * 328 + 128 * 64, 3 * 64 * 96
    attention, delta = 64 * 64 * 2 + 2 * 64 * 32, 64 * 296 + 128 * 64
    layers = 2 * mamba2 + attention + delta + 4 * feed_forward
    for name, tokens, pairs in (
        ("prefill 512", 512, 512 * 513 // 2),
        ("decode 512", 1, 512),
    ):
        total = phase_of(report, name)["total"]
        # Nor does the last feed-forward's second product need the others.
        products = 2 * (tokens * layers - (tokens - 1) * 96 * 64 + 64 * 128)
        seen = 4 * (pairs * (16 * 4 + 3) + tokens * 16)
        assert total["matrix_flops"] == products + seen, name
    step = phase_of(report, "decode 512")["total"]
    # All weights but the embedding's other rows and tables of angles.
    assert step["weight_bytes"] > 0.85 * (report["weights_bytes"] - 2 * 16384)
    # Both caches, read to the end, and the new token written.
    rows = {row["layer"]: row for row in phase_of(report, "decode 512")["layers"]}
    assert rows["1"]["state_bytes"] == 2 * 2 * (512 + 1) * 16 * 4
    assert rows["0"]["state_bytes"] == 2 * (8 * 16 * 16 + 192 * 3) * 4
    names = {entry["pass"] for entry in report["passes"]}
    assert {"hybrid-form-kernels", "hybrid-group-launches"} <= names, names
    assert launches(report, "decode 512") == MAMBA, launches(report, "decode 512")


def hymba(report):
    check_sums(report)
    name = report["phases"][-1]["name"]
    assert name.startswith("decode")
    assert launches(report, name) == HYMBA, launches(report, name)




def page(text):
    start = '<script type="application/json" id="data">'
    data = text.split(start)[1].split("</script>")[0]
    check_sums(json.loads(data))
    assert "@DATA@" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def whole(report, summary):
    """Costs, and what the compiled model has, agree."""
    check_sums(report)
    for phase in report["phases"]:
        # Copies of a prefill come later, and groups may be split.
        more = summary["launches"][phase["entry"]] - phase["total"]["launches"]
        assert more == 0 if phase["entry"] == "decode" else 0 <= more < 9, more
        assert all(row["compiled"] for row in phase["launches"])
    held = max(report["states"], key=lambda state: state["length"])["bytes"]
    assert held == summary["state_bytes_per_sequence"]
    names = {entry["pass"] for entry in report["passes"]}
    assert "hybrid-tile-to-grid" in names, names


def profile(report):
    check_sums(report)
    for phase in report["phases"]:
        for row in [phase["total"], *phase["launches"], *phase["layers"]]:
            assert row["measured_seconds"] > 0, row


def sizes(report):
    assert report["device"] == "l4"
    names = [phase["name"] for phase in report["phases"]]
    assert names == ["prefill 3", "prefill 100", "decode 7"], names
    assert [phase["tokens"] for phase in report["phases"]] == [6, 200, 2]
    check_sums(report)


if __name__ == "__main__":
    text = sys.stdin.read()
    kind, files = sys.argv[1], sys.argv[2:]
    inputs = [text if kind == "page" else json.loads(text)]
    for path in files:
        with open(path) as file:
            inputs.append(json.load(file))
    globals()[kind](*inputs)
