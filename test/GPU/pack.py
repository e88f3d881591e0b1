#!/usr/bin/env python3
"""Packs what a GPU needs to check the models: artifacts, tools, cases.

pack.py BUILD OUT.tar.xz [--models DIR] [--filter REGEX] [--target cuda:ARCH]
        [--jobs N] [--bench FILE.onnx …]

Compiles every model for the target and puts it into one archive together with
hybrid-run, the runtime, the cases of meta.json and check.py, which needs Python's
standard library only. On a machine with a GPU:

  tar -xJf OUT.tar.xz && python3 gpu/check.py

Models given with --bench are packed without cases, for check.py --bench.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path, help="a folder of models with cases")
    parser.add_argument("--filter", default="", help="models whose name matches")
    parser.add_argument("--target", default="cuda:sm_90a")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--bench", type=Path, nargs="*", default=[])
    return parser.parse_args()


def compile_model(args, model, artifact, *options):
    """Returns what went wrong, or nothing."""
    command = [args.build / "bin/hybrid-compile", model, "-o", artifact]
    command += [f"--target={args.target}", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


def steps_of(folder, case):
    """(inputs, wanted outputs) of a case's runs, relative to the models."""
    where = folder / "cases" / case["name"]
    steps = [where] if case["kind"] == "prefill" else sorted(where.iterdir())
    return [(str(s / "inputs.npz"), str(s / "outputs.npz")) for s in steps]


def pack_model(args, folder, target):
    """One entry of the plan."""
    meta = json.loads((folder / "meta.json").read_text())
    entry = {"name": folder.name, "tolerance": meta["tolerance"], "cases": []}
    error = compile_model(args, folder / "model.onnx", target / f"{folder.name}.hyb")
    if error:
        entry["error"] = error.splitlines()[0]
        return entry
    for name, case in meta["cases"].items():
        steps = steps_of(folder, {"name": name, "kind": case["kind"]})
        packed = []
        for step in steps:
            relative = []
            for file in step:
                place = target / Path(file).relative_to(folder.parent)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)
                relative.append(str(place.relative_to(target)))
            packed.append(relative)
        entry["cases"].append({"name": name, "steps": packed})
    return entry


def main():
    args = parse_arguments()
    plan = {"target": args.target, "models": [], "bench": []}
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "gpu"
        target.mkdir()
        for tool in ("hybrid-run", "libhybrid-runtime.so"):
            shutil.copy(args.build / "bin" / tool, target)
        shutil.copy(HERE / "check.py", target)
        folders = sorted(p.parent for p in args.models.glob("*/meta.json")) if args.models else []
        chosen = [f for f in folders if re.search(args.filter, f.name)]
        with ThreadPoolExecutor(args.jobs) as pool:
            plan["models"] += pool.map(lambda f: pack_model(args, f, target), chosen)
        for model in args.bench:
            error = compile_model(args, model, target / f"{model.stem}.hyb")
            plan["bench"].append({"name": model.stem, "error": error})
        (target / "plan.json").write_text(json.dumps(plan, indent=1))
        with tarfile.open(args.out, "w:xz", preset=2) as archive:
            archive.add(target, "gpu")
    failed = [m for m in plan["models"] + plan["bench"] if m.get("error")]
    for model in failed:
        print(f"{model['name']}: {model['error']}")
    print(
        f"{len(plan['models']) + len(plan['bench']) - len(failed)} compiled, "
        f"{len(failed)} not; {args.out.stat().st_size / 2**20:.1f} MiB"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
