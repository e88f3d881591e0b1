"""python -m hybrid generate."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._generate import Generation, Options
from ._module import Module, load
from .errors import BadInput, FileError
from .tokenizer import GenerationConfig, Tokenizer

DESCRIPTION = """\
Goes on from a prompt and prints the text as it comes. tokenizer.json,
genai_config.json, generation_config.json and config.json beside the compiled
model give tokens, end tokens and sampling; without a tokenizer each byte is a
token. Speeds go to the standard error.

Exit codes: 0 success, 1 error, 2 wrong command line.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hybrid generate",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", help="the .hyb file")
    prompt = parser.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--prompt", help="the text to go on from")
    prompt.add_argument("--ids", help="its tokens instead: 1,2,3")
    add("-n", "--max-tokens", type=int, default=128, help="tokens at most (default 128)")
    add("--temperature", type=float, help="0: take the most probable token")
    add("--top-k", type=int, help="draw among so many tokens; 0: all")
    add("--top-p", type=float, help="draw among tokens of this probability in sum")
    add("--repetition-penalty", type=float, help="1: none")
    add("--seed", type=int, help="of the draws (default: another one each time)")
    add("--stop", action="append", default=[], help="a text that ends (repeatable)")
    add("--ignore-eos", action="store_true", help="go on after end tokens")
    add("--tokenizer", metavar="DIR", help="where tokenizer.json and the others are")
    add("--threads", type=int, default=0, help="default: one per CPU")
    add("--json", action="store_true", help="print one JSON document at the end")
    return parser


def _options(args: argparse.Namespace, module: Module) -> Options:
    if args.tokenizer:
        folder = Path(args.tokenizer)
        if not folder.is_dir():
            raise FileError(f"'{folder}' is not a folder")
        tokenizer, config = Tokenizer.beside(folder), GenerationConfig.beside(folder)
    else:
        tokenizer, config = module.tokenizer(), GenerationConfig.of(module)
    config = config.resolve(tokenizer)

    def chosen(name: str, default: Any) -> Any:
        given = getattr(args, name)
        return default if given is None else given

    return Options(
        max_tokens=args.max_tokens,
        temperature=chosen("temperature", config.temperature if config.sample else 0.0),
        top_k=chosen("top_k", config.top_k),
        top_p=chosen("top_p", config.top_p),
        repetition_penalty=chosen("repetition_penalty", config.repetition_penalty),
        seed=args.seed,
        stop_ids=() if args.ignore_eos else config.eos,
        stop=args.stop,
        tokenizer=tokenizer,
    )


def _ids(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise BadInput(f"--ids takes numbers with commas between, not '{text}'") from None


def _speeds(generation: Generation) -> dict[str, float]:
    steps = len(generation.ids) - 1
    speeds = {}
    if generation.prefill_seconds:
        tokens = len(generation.prompt_ids)
        speeds["prefill"] = tokens / generation.prefill_seconds
    if steps > 0 and generation.decode_seconds:
        speeds["decode"] = steps / generation.decode_seconds
    return speeds


def main(arguments: Sequence[str]) -> int:
    args = parser().parse_args(list(arguments))
    module = load(args.model)
    options = _options(args, module)
    with module.session(threads=args.threads) as session:
        prompt = args.prompt if args.ids is None else _ids(args.ids)
        generation = Generation(session, 0, prompt, options)
        for token in generation:
            if not args.json:
                print(token.text, end="", flush=True)
    speeds = _speeds(generation)
    if args.json:
        report = {
            "prompt_ids": generation.prompt_ids,
            "ids": generation.ids,
            "text": generation.text,
            "reason": generation.reason,
            "tokens_per_second": speeds,
        }
        print(json.dumps(report, ensure_ascii=False, indent=1))
        return 0
    print()
    if options.tokenizer is not None and options.tokenizer.is_bytes:
        print("no tokenizer.json: each byte is a token", file=sys.stderr)
    summary = [f"{len(generation.ids)} tokens ({generation.reason})"]
    summary += [f"{name} {speed:.1f} tok/s" for name, speed in speeds.items()]
    print(", ".join(summary), file=sys.stderr)
    return 0
