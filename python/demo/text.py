"""The text of the demo model: the King James Bible from Debian's packages.

bible-kjv-text holds the text (public domain: the translation is of 1611), in a
compressed form that the program of bible-kjv writes out. The packages are used
where they are installed, else downloaded with apt-get and unpacked into a
folder; nothing is installed.

Every 20th chapter is held out from training. Of these, every fourth is the
excerpt that the repository keeps, so that the loss can be checked without the
packages.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = ("bible-kjv-text", "bible-kjv")
DATA = "usr/lib/bible.data"
PROGRAM = "usr/bin/bible"
WHOLE = "Gen1:1-Rev22:21"
VERSES = 31102
HELD_OUT_EVERY = 20
EXCERPT_EVERY = 80

# In the order of the text, as the program abbreviates them.
BOOKS = dict(
    pair.split("=")
    for pair in """Ge=Genesis,Exo=Exodus,Lev=Leviticus,Num=Numbers,Deu=Deuteronomy,Josh=Joshua,
Jdgs=Judges,Ruth=Ruth,1Sm=1 Samuel,2Sm=2 Samuel,1Ki=1 Kings,2Ki=2 Kings,1Chr=1 Chronicles,
2Chr=2 Chronicles,Ezra=Ezra,Neh=Nehemiah,Est=Esther,Job=Job,Psa=Psalms,Prv=Proverbs,
Eccl=Ecclesiastes,SSol=Song of Solomon,Isa=Isaiah,Jer=Jeremiah,Lam=Lamentations,Eze=Ezekiel,
Dan=Daniel,Hos=Hosea,Joel=Joel,Amos=Amos,Obad=Obadiah,Jonah=Jonah,Mic=Micah,Nahum=Nahum,
Hab=Habakkuk,Zep=Zephaniah,Hag=Haggai,Zec=Zechariah,Mal=Malachi,Mat=Matthew,Mark=Mark,Luke=Luke,
John=John,Acts=Acts,Rom=Romans,1Cor=1 Corinthians,2Cor=2 Corinthians,Gal=Galatians,Eph=Ephesians,
Phi=Philippians,Col=Colossians,1Th=1 Thessalonians,2Th=2 Thessalonians,1Tim=1 Timothy,
2Tim=2 Timothy,Titus=Titus,Phmn=Philemon,Heb=Hebrews,Jas=James,1Pet=1 Peter,2Pet=2 Peter,
1Jn=1 John,2Jn=2 John,3Jn=3 John,Jude=Jude,Rev=Revelation""".replace(
        "\n", ""
    ).split(
        ","
    )
)


class NoText(Exception):
    """The text cannot be had; the message says what would help."""


def _unpack(folder):
    """Downloads the packages into `folder` and unpacks them there."""
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise NoText(
                f"{tool} is missing: the text comes from Debian's packages {' and '.join(PACKAGES)}"
            )
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as download:
            # apt-get leaves root for the user _apt, who has to write here.
            Path(download).chmod(0o777)
            call = subprocess.run(
                ["apt-get", "download", package],
                cwd=download,
                capture_output=True,
                text=True,
            )
            files = list(Path(download).glob("*.deb"))
            if call.returncode or not files:
                raise NoText(
                    f"Debian's package {package} is not installed and cannot be downloaded "
                    f"(apt-get download {package}: {call.stderr.strip() or 'no file'})"
                )
            subprocess.run(["dpkg-deb", "-x", files[0], folder], check=True)


def verses(folder):
    """[(abbreviated book, chapter, verse text)], all of them, in order.

    `folder` keeps what has to be downloaded.
    """
    root = Path("/")
    if not ((root / DATA).exists() and (root / PROGRAM).exists()):
        root = Path(folder).resolve()
        if not ((root / DATA).exists() and (root / PROGRAM).exists()):
            root.mkdir(parents=True, exist_ok=True)
            _unpack(root)
    call = subprocess.run(
        [root / PROGRAM, "-f", WHOLE],
        cwd=(root / DATA).parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if call.returncode:
        raise NoText(
            f"{root / PROGRAM} ended with code {call.returncode}: {call.stderr.strip()}"
        )
    lines = re.findall(r"^(\w+?)(\d+):\d+ (.+)$", call.stdout, re.M)
    if len(lines) != VERSES or {line[0] for line in lines} != set(BOOKS):
        raise NoText(
            f"{root / PROGRAM} wrote {len(lines)} verses, not the {VERSES} of the whole text"
        )
    return lines


def chapters(folder):
    """The chapters as texts: a title, an empty line, a verse a line, an empty line."""
    texts = {}
    for book, chapter, verse in verses(folder):
        title = f"{BOOKS[book]} {chapter}"
        texts.setdefault(title, [title, ""]).append(" ".join(verse.split()))
    return ["\n".join(lines) + "\n\n" for lines in texts.values()]


def split(folder):
    """(training text, held-out text, excerpt of the held-out text), as bytes."""
    parts = chapters(folder)
    numbered = list(enumerate(parts, 1))
    train = "".join(text for number, text in numbered if number % HELD_OUT_EVERY)
    held_out = "".join(
        text for number, text in numbered if number % HELD_OUT_EVERY == 0
    )
    excerpt = "".join(text for number, text in numbered if number % EXCERPT_EVERY == 0)
    return train.encode("ascii"), held_out.encode("ascii"), excerpt.encode("ascii")
