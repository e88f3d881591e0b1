#!/usr/bin/env python3
"""Times the forms of branches and of scans against each other.

forms.py BUILD [--threads N] [--rounds N] [--only DESIGN …]

Compiles models of make_model.py in every form that they have, checks that all
give the same logits, and times them in turn, round by round: layers with branches
with each --branch-form, layers of scans with each --scan-form. The tables hold
tokens per second, medians over the rounds, and are written as in docs/forms.md.
Everything measured goes to bench/results as JSON.
"""

import json
import random
import statistics

import common
from common import output_of

import npz  # found by common

BRANCHES = ("sequential", "merged", "parallel")
SCANS = ("sequential", "chunked", "associative")
#: By design, the option and its values.
DESIGNS = {
    **{name: ("--branch-form", BRANCHES) for name in ("sub", "add", "mean")},
    **{name: ("--scan-form", SCANS) for name in ("mamba2", "mamba1")},
    # The delta rules have no associative form.
    "gated-delta": ("--scan-form", SCANS[:2]),
}


class Forms(common.Workshop):
    def check(self, artifacts):
        """The largest difference of logits from those of the first artifact."""
        inputs, wanted = self.work / "inputs.npz", self.work / "logits"
        numbers = random.Random(0)
        tokens = [numbers.randrange(16000) for _ in range(100)]
        npz.write(inputs, {"input_ids": npz.from_integers([1, 100], tokens)})
        largest = 0
        for index, artifact in enumerate(artifacts):
            command = [self.bin / "hybrid-run", artifact, "--inputs", inputs]
            if index == 0:
                output_of([*command, "--outputs", wanted])
                continue
            command += ["--json", "--compare", wanted / "0.npz"]
            run = json.loads(output_of(command))["runs"][0]
            largest = max(largest, run["compare"][0]["max_abs_difference"])
        return largest

    def run(self, design):
        option, forms = DESIGNS[design]
        print(f"{design}: compiling", flush=True)
        model = self.make_model(design)
        artifacts = {form: self.work / f"{design}-{form}.hyb" for form in forms}
        launches = {
            form: self.compile(model, path, f"{option}={form}")["launches"]
            for form, path in artifacts.items()
        }
        difference = self.check(list(artifacts.values()))
        rounds = []
        for index in range(self.args.rounds):
            print(f"{design}: round {index + 1} of {self.args.rounds}", flush=True)
            # No form is always the first.
            order = list(forms)[index % len(forms) :] + list(forms)[: index % len(forms)]
            decode = option == "--branch-form"
            rounds.append({form: self.time(artifacts[form], decode) for form in order})
        return {
            "option": option,
            "forms": forms,
            "launches": launches,
            "largest_logit_difference": difference,
            "rounds": rounds,
        }


def print_tables(results):
    for option, forms in (("--branch-form", BRANCHES), ("--scan-form", SCANS)):
        print(f"\n| tok/s, {option} | {' | '.join(forms)} | logits differ by |")
        print("|---" * (len(forms) + 2) + "|")
        for design, result in results.items():
            if result["option"] != option:
                continue
            for phase in result["rounds"][0][forms[0]]:
                cells = [
                    f"{statistics.median(r[form][phase] for r in result['rounds']):.1f}"
                    if form in result["forms"]
                    else "-"
                    for form in forms
                ]
                difference = f"{result['largest_logit_difference']:.1g}"
                print(f"| {design}, {phase} | {' | '.join(cells)} | {difference} |")


def main():
    description = __doc__.splitlines()[0]
    args = common.parse_arguments(description, rounds=3, designs=list(DESIGNS))
    forms = Forms(args)
    results = {design: forms.run(design) for design in args.only}
    name = common.save({"designs": results}, "forms")
    print_tables(results)
    print(f"\nwritten to {name}")


if __name__ == "__main__":
    main()
