"""The commands and code in README and docs: which blocks there are, and how each is to be run.

An indented block is a block of commands, and so is a fenced one of bash or sh. A fenced block of python is
code. Other fenced blocks (text, json, csv ...) show output. Options that `make_options.py` writes are left
out. A comment before a block says more about it:

    <!-- not run: REASON -->                    the test leaves it out
    <!-- not run in this section: REASON -->    the same for all blocks up to the next heading
    <!-- not run in this document: REASON -->   the same for all blocks that follow
    <!-- exit status: N -->                     it ends with this status, not 0

`python tests/documents.py docs/tutorial.md` prints the blocks of a document as a script for bash.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_GENERATED = {"docs/api.md", "docs/lab-notes.md"}
_LANGUAGES = {"bash": "bash", "sh": "bash", "python": "python"}
_FENCE = re.compile(r"^( *)(```+|~~~+)\s*(\w*)")
_MARK = re.compile(
    r"^\s*<!-- (not run in this section|not run in this document|not run|exit status):(.*)-->\s*$"
)


@dataclass(frozen=True)
class Block:
    """A block of commands or code.

    Attributes
    ----------
    line : int
        Number of its first line in the document.
    language : str
        ``"bash"`` or ``"python"``.
    text : str
        Without its indentation.
    reason : str or None
        Why it is not run.
    status : int
        The exit status that it should end with.
    """

    line: int
    language: str
    text: str
    reason: str | None = None
    status: int = 0


def documents() -> list[Path]:
    """Return the documents whose blocks are run."""
    patterns = ("README.md", "CONTRIBUTING.md", "docs/*.md", "models/*.md", "plugins/*/README.md")
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return [path for path in found if path.relative_to(ROOT).as_posix() not in _GENERATED]


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a document, those that are not run too.

    Raises
    ------
    ValueError
        If a mark gives no reason or no number, or stands before no block.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._found: list[Block] = []
        self._mark: tuple[int, str, str] | None = None
        self._section: str | None = None
        self._document: str | None = None

    def read(self) -> list[Block]:
        at, in_options = 0, False
        while at < len(self._lines):
            line = self._lines[at]
            if line.startswith("<!-- options of"):
                in_options = True
            elif line.startswith("<!-- end of options"):
                in_options = False
            if in_options:
                at += 1
            elif fence := _FENCE.match(line):
                at = self._fenced(at, fence)
            elif line.startswith("    ") and line.strip() and (at == 0 or not self._lines[at - 1].strip()):
                at = self._indented(at)
            else:
                self._other(at, line)
                at += 1
        self._no_mark_left()
        return self._found

    def _other(self, at: int, line: str) -> None:
        if mark := _MARK.match(line):
            self._no_mark_left()
            kind, value = mark[1], mark[2].strip()
            if not value or (kind == "exit status" and not value.isdigit()):
                raise ValueError(f"line {at + 1}: the mark {kind!r} says nothing")
            if kind == "not run in this document":
                self._document = value
            elif kind == "not run in this section":
                self._section = value
            else:
                self._mark = at + 1, kind, value
        elif line.startswith("#"):
            self._no_mark_left()
            self._section = None
        elif line.strip():
            self._no_mark_left()

    def _no_mark_left(self) -> None:
        if self._mark is not None:
            raise ValueError(f"line {self._mark[0]}: the mark {self._mark[1]!r} stands before no block")

    def _fenced(self, at: int, fence: re.Match[str]) -> int:
        end = at + 1
        while end < len(self._lines) and self._lines[end].strip() != fence[2]:
            end += 1
        if fence[3] in _LANGUAGES:
            self._add(at + 1, end, _LANGUAGES[fence[3]])
        elif self._mark is not None:
            self._no_mark_left()
        return end + 1

    def _indented(self, at: int) -> int:
        end = at
        while end < len(self._lines) and (
            self._lines[end].startswith("    ") or not self._lines[end].strip()
        ):
            end += 1
        self._add(at, end, "bash")
        return end

    def _add(self, first: int, end: int, language: str) -> None:
        text = textwrap.dedent("\n".join(self._lines[first:end])).strip("\n") + "\n"
        kind, value = self._mark[1:] if self._mark else ("", "")
        reason = value if kind == "not run" else self._section or self._document
        status = int(value) if kind == "exit status" else 0
        self._found.append(Block(first + 1, language, text, reason, status))
        self._mark = None


def script_of(blocks: list[Block]) -> str:
    """Return the blocks as one script for bash, which ends at the first that fails."""
    parts = ["set -euo pipefail\n"]
    for block in blocks:
        if block.reason is None:
            text = f"python - <<'PYTHON'\n{block.text}PYTHON\n" if block.language == "python" else block.text
            parts.append(f"( {text}) || test $? -eq {block.status}\n" if block.status else text)
    return "\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the blocks of a document as a script for bash.")
    parser.add_argument("document", type=Path)
