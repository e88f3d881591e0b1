"""Runs hybrid-compile and hybrid-run for tests that judge what they say."""

import subprocess
from pathlib import Path


class Refused(Exception):
    """The tool ended with an error; the text is its first error message."""


class Broken(Exception):
    """The tool crashed, hung, or failed without a message."""


def first_error(text):
    """The first error message, without the tool's name; one line.

    Indented lines below it belong to it, notes do not.
    """
    lines = iter(text.splitlines())
    for line in lines:
        if "error: " not in line:
            continue
        message = [line.split("error: ", 1)[1]]
        for more in lines:
            if not more.startswith("  ") or more.lstrip().startswith("note:"):
                break
            message.append(more)
        return " ".join(" ".join(message).split())
    return ""


def call(command, cwd=None, timeout=300, accept=(0,)):
    """Returns the standard output. Raises Refused or Broken.

    `accept` are the exit codes of success: `hybrid-run --compare` ends with 1
    also where values differ, then its report tells.
    """
    words = [str(word) for word in command]
    tool = Path(words[0]).name
    try:
        process = subprocess.run(
            words,
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"{tool} ran longer than {timeout} s") from None
    message = first_error(process.stderr)
    if process.returncode in accept and not message:
        return process.stdout
    if process.returncode != 1 or not message:
        raise Broken(f"{tool} ended with code {process.returncode}")
    raise Refused(message)
