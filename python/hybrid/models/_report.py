"""python -m hybrid report: what designs cost; the paper's tables beside ours."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any, Optional

from . import _paper
from ._cost import Cost, Costs, cost, state_bytes
from ._design import Design
from ._text import mebibytes, parse, parse_number, rounded, table

DESCRIPTION = """\
Says what a design costs: parameters, bytes of its states, and FLOPs, bytes and
exponentials of one call by kind of layer, at the least (docs/models.md).

A design is a .json file or a call such as "inter('1B', ratio=(1, 5))".

--paper prints the tables of efficiency of "Hybrid Architectures for Language
Models" (arXiv 2510.04800) beside our counts, and where these differ and why.
Nothing is compiled or run.
"""

EPILOG = """\
Exit codes: 0 done, 1 the design cannot be read or is wrong, 2 usage.
"""

#: An H200, as its maker describes it: bytes a second, and FLOPs in bfloat16.
BANDWIDTH = 4.8e12
ARITHMETIC = 989e12

NOTES = """\
* Parameters count all but the embedding, to the last norm and bias. The table
  prints 2.78B for the 3B Llama (ours 2.775B) and 0.98B and 2.80B for Mamba at 1B
  and 3B (ours 0.990B and 2.811B); its training FLOPs fit our count.
* Training FLOPs: the paper's formula, six a parameter and token and three times
  what mixers do besides; embedding and head are left out, as in the paper.
* Cache, formula: the paper's, with 2 bytes a number and convolutions that keep 4
  columns. Cache, planned: what compiled models keep with bfloat16 states;
  convolutions need 3 columns. By default recurrent states are float32 (column
  f32), which the paper does not count.
* Intra 1:0, 1:1 and 1:12 differ: ours have the hybrid block of the paper's
  Table 15, with 1152 channels of queries, which gives its numbers for 1:3 and 1:5
  at all lengths. 180, 89 and 23 MiB come out with 1344, 832 and 512 channels.
* Inter 1:5 at 350M differs: 2 attention layers are 32 MiB and 9 Mamba layers 7.
* Decode, limit: tokens a second if each step took only as long as its bytes
  (4.8 TB/s) and FLOPs (989 TFLOPS) do on an H200, in bfloat16 with float32
  recurrent states, and the prompt cost nothing. This is no measurement. Ours are
  unmeasured: there is no code for GPUs.
"""


def decode_limit(design: Design, length: int, batch: int, prompt: int) -> float:
    """Tokens a second, over all steps from the prompt's length to `length`, of
    which some are looked at."""
    steps = length - prompt
    looked_at = 64
    seconds = 0.0
    for k in range(looked_at):
        context = prompt + 1 + int((k + 0.5) * steps / looked_at)
        total = cost(design, context=context, batch=batch).total
        seconds += max(total.bytes / BANDWIDTH, total.flops / ARITHMETIC)
    return batch * looked_at / seconds


def paper() -> list[dict[str, Any]]:
    """A row per model of the paper, ours beside its."""
    rows = []
    for size, models in _paper.MODELS.items():
        for model in models:
            rows.append(_paper_row(size, model))
    return rows


def _paper_row(size: str, model: _paper.Model) -> dict[str, Any]:
    design = model.make(size)
    flops = _paper.training_flops(design, _paper.TRAINED_LENGTH, _paper.TOKENS)
    decoded = cost(design, context=_paper.TRAINED_LENGTH).total
    read = cost(
        design, context=_paper.TRAINED_LENGTH, phase="prefill", logits="last"
    ).total
    caches = [
        {
            "length": length,
            "published_mib": published,
            "formula": _paper.cache_bytes(design, length),
            "planned": _states(design, length, "bf16"),
            "planned_f32": _states(design, length, "f32"),
        }
        for length, published in zip(_paper.CACHE_LENGTHS, model.cache)
    ]
    throughput = [
        {
            "length": length,
            "published": published,
            "published_seconds": seconds,
            "measured": None,
            "limit": decode_limit(design, length, _paper.BATCH, _paper.PROMPT),
        }
        for length, published, seconds in zip(
            _paper.LENGTHS, model.throughput, model.latency
        )
    ]
    return {
        "size": size,
        "model": model.name,
        "layers": design.pattern(),
        "parameters": design.parameters._asdict(),
        "published_nll": model.nll,
        "training_flops": {
            "published": model.flops and model.flops * 1e20,
            "formula": flops,
        },
        "prefill": read._asdict(),
        "decode": decoded._asdict(),
        "cache": caches,
        "throughput": throughput,
    }


def _states(design: Design, length: int, dtype: str) -> int:
    return sum(state_bytes(design, context=length, state_dtype=dtype).values())


def paper_text() -> str:
    rows = paper()
    parts = []
    for size in _paper.MODELS:
        chosen = [row for row in rows if row["size"] == size]
        parts += _costs_tables(size, chosen)
        if any(row["throughput"] for row in chosen):
            parts.append(_throughput_table(chosen))
    parts.append("Notes\n\n" + NOTES.rstrip())
    return "\n\n".join(parts)


def _shown(value: Optional[float], scale: float = 1.0, digits: int = 0) -> str:
    return "–" if value is None else f"{value / scale:,.{digits}f}"


def _costs_tables(size: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    header = ["", "layers", "parameters", "train 1e20", "ours"]
    header += ["prefill FLOPs", "decode FLOPs", "decode bytes"]
    lines = []
    for row in rows:
        flops = row["training_flops"]
        total = Cost(**row["decode"])
        lines.append(
            [
                row["model"],
                row["layers"],
                f"{row['parameters']['layers'] / 1e9:.3f}B",
                _shown(flops["published"], 1e20, 1),
                _shown(flops["formula"], 1e20, 2),
                rounded(row["prefill"]["flops"]),
                rounded(total.flops),
                rounded(total.bytes),
            ]
        )
    title = (
        f"{size}: FLOPs of training on 60B tokens in sequences of 8K (published, and "
        "ours);\nour counts of a prefill of 8K, and of one more token after it"
    )
    return [f"{title}\n\n{table(header, lines)}", _cache_table(size, rows)]


def _cache_table(size: str, rows: Sequence[dict[str, Any]]) -> str:
    lengths = [
        k
        for k in range(len(_paper.CACHE_LENGTHS))
        if any(row["cache"][k]["published_mib"] for row in rows)
    ]
    header = [""]
    for k in lengths:
        name = f"{_paper.CACHE_LENGTHS[k] // 1024}K"
        header += [f"{name} published", "formula", "planned", "f32"]
    lines = []
    for row in rows:
        line = [row["model"]]
        for k in lengths:
            cache = row["cache"][k]
            line.append(_shown(cache["published_mib"]))
            for key in ("formula", "planned", "planned_f32"):
                line.append(mebibytes(cache[key]))
        lines.append(line)
    return f"{size}: cache of one sequence, MiB\n\n{table(header, lines)}"


def _throughput_table(rows: Sequence[dict[str, Any]]) -> str:
    header = [""]
    for length in _paper.LENGTHS:
        header += [f"{length // 1024}K", "limit"]
    lines = []
    for row in rows:
        line = [row["model"]]
        for entry in row["throughput"]:
            line += [_shown(entry["published"]), _shown(entry["limit"])]
        lines.append([*line, "unmeasured"])
    title = (
        "1B: tokens a second of 4 sequences on one H200, from a prompt of 512 tokens to "
        "a length:\npublished, the limit of the hardware, and ours"
    )
    return f"{title}\n\n{table([*header, 'ours'], lines)}"


# --- One design


def _design_rows(costs: Costs) -> list[list[str]]:
    rows = []
    for kind, parts in costs.layers.items():
        for name, value in parts.items():
            label = f"{kind} ×{costs.counts[kind]}: {name}"
            rows.append([label, *_cells(value)])
    return [*rows, ["all", *_cells(costs.total)]]


def _cells(value: Cost) -> list[str]:
    numbers = (value.flops, value.exps, value.weights, value.states, value.activations)
    return [rounded(number) for number in numbers]


def design_text(design: Design, costs: Costs, settings: str) -> str:
    counts = design.parameters
    header = ["", "FLOPs", "exps", "weights", "states", "activations"]
    held = ", ".join(f"{k} {mebibytes(n)}" for k, n in costs.states.items() if n)
    return "\n".join(
        [
            f"{design.name}: {design.pattern()}",
            f"parameters {counts.layers:,} and {counts.embedding:,} of the embedding; "
            f"a token goes through {counts.active:,}",
            f"states {mebibytes(costs.state_bytes)} MiB ({held})",
            "",
            settings,
            "",
            table(header, _design_rows(costs)),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hybrid report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("design", nargs="?", metavar="DESIGN", help="a call or a .json file")
    add("--paper", action="store_true", help="the paper's tables")
    add(
        "--context",
        type=parse_number,
        default=8192,
        metavar="N",
        help="tokens that a sequence holds after the call (default 8192)",
    )
    add("--batch", type=int, default=1, metavar="N", help="sequences (default 1)")
    add(
        "--phase",
        choices=("prefill", "decode"),
        default="decode",
        help="prefill: all tokens are new; decode: one is (default)",
    )
    add("--tokens", type=int, metavar="N", help="new tokens, whatever the phase")
    dtypes = ("f32", "f16", "bf16")
    add("--dtype", choices=dtypes, default="bf16", help="of weights (default bf16)")
    add(
        "--state-dtype",
        choices=dtypes,
        default="f32",
        help="of recurrent states (default f32)",
    )
    add("--json", action="store_true", help="print JSON")
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Returns the exit code; raises HybridError."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.paper == bool(args.design):
        parser.error("give a design or --paper")
    if args.paper:
        print(json.dumps(paper(), indent=1) if args.json else paper_text())
        return 0
    design = parse(args.design)
    costs = cost(
        design,
        context=int(args.context),
        batch=args.batch,
        phase=args.phase,
        tokens=args.tokens,
        dtype=args.dtype,
        state_dtype=args.state_dtype,
    )
    if args.json:
        print(
            json.dumps(
                {
                    "design": json.loads(design.to_json()),
                    "parameters": design.parameters._asdict(),
                    "costs": json.loads(costs.to_json()),
                },
                indent=1,
            )
        )
        return 0
    tokens = args.tokens or (int(args.context) if args.phase == "prefill" else 1)
    settings = (
        f"a call of {args.batch} × {tokens} tokens, after which a sequence holds "
        f"{int(args.context)}, in {args.dtype}"
    )
    print(design_text(design, costs, settings))
    return 0
