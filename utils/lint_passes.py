#!/usr/bin/env python3
"""Checks what passes and source files owe their readers.

Every pass of every Passes.td has a summary, a description with the IR before
and after in fenced blocks (or, if it prints, what it prints), a text for each
option, a .cpp of its name and a lit test that runs it. No source file is longer
than 1,000 lines.

Prints what is missing; the last line is "N passed, N failed", counted in
passes and files.
"""

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
MOST_LINES = 1000
ROOMS = ["bench", "dialects", "include", "lib", "python", "test", "tools", "utils"]
SUFFIXES = {".c", ".cpp", ".h", ".py", ".td"}


class PassDefinition:
    """One `def … : Pass<"argument", …> { … }` of a .td file."""

    def __init__(self, file, name, argument, body):
        self.file, self.name, self.argument, self.body = file, name, argument, body

    def text(self, field):
        found = re.search(rf"let {field} = (?:\[\{{(.*?)\}}\]|\"(.*?)\");", self.body, re.S)
        return (found[1] or found[2] or "").strip() if found else ""

    def options(self):
        """(name, text) of each option."""
        found = re.search(r"let options = \[(.*?)\n  \];", self.body, re.S)
        if not found:
            return []
        entries = re.split(r"\b(?:List)?Option<", found[1])[1:]
        return [(entry.split('"')[1], self.last_string(entry)) for entry in entries]

    @staticmethod
    def last_string(entry):
        """The text: the strings after the option's last comma."""
        strings = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
        found = re.search(r",\s*" + strings + r">", entry, re.S)
        return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found[1])) if found else ""

    def file_name(self):
        """InterpretPass is in Interpret.cpp, ONNXInferShapes in InferShapes.cpp."""
        name = self.name.removesuffix("Pass").removeprefix("Convert")
        return {name, re.sub("^ONNX(?!To)", "", name)}

    def problems(self, sources, tests):
        if not self.text("summary"):
            yield "has no summary"
        description = self.text("description")
        blocks = description.count("```") // 2
        prints = re.search(r"\bprint", self.text("summary"), re.I)
        if not blocks or (blocks < 2 and "After:" not in description and not prints):
            yield "has no IR before and after in its description"
        for option, text in self.options():
            if not text:
                yield f"has no text for its option {option}"
        if not self.file_name() & sources:
            yield f"has no {sorted(self.file_name())[0]}.cpp"
        if not re.search(rf"RUN:.*(?:--|[(,]){self.argument}\b(?!-)", tests):
            yield "has no lit test that runs it"


def definitions():
    for room in ("dialects", "include"):
        for file in sorted((SOURCE / room).rglob("Passes.td")):
            text = re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.M)
            pattern = r'^def (\w+)\s*:\s*Pass<"([\w-]+)".*?\{$(.*?)^\}'
            for match in re.finditer(pattern, text, re.S | re.M):
                yield PassDefinition(file.relative_to(SOURCE), *match.groups())


def check_passes():
    sources = {file.stem for file in (SOURCE / "lib").rglob("*.cpp")}
    lit_files = [f for f in (SOURCE / "test").rglob("*") if f.suffix in (".mlir", ".test")]
    tests = "\n".join(file.read_text() for file in lit_files)
    for definition in definitions():
        problems = list(definition.problems(sources, tests))
        yield problems
        for problem in problems:
            print(f"{definition.file}: pass {definition.argument} {problem}")


def check_lengths():
    for room in ROOMS:
        for file in sorted((SOURCE / room).rglob("*")):
            if file.suffix not in SUFFIXES:
                continue
            lines = len(file.read_text().splitlines())
            yield lines > MOST_LINES
            if lines > MOST_LINES:
                name = file.relative_to(SOURCE)
                print(f"{name}: {lines} lines, at most {MOST_LINES} are good")


def main():
    results = [*check_passes(), *check_lengths()]
    failed = sum(map(bool, results))
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
