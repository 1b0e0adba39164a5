"""What a run said about each file, and which of that counts as a failure."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fuzzing.seeds import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from fuzzing.mutations import Made

CONFIDENT = 0.5
# Rows of the table of counts.
WRONG = "confident, wrong, no note"
CONFIDENTLY = "confident answers to music whose tempo is known"
TOLERANCE = 0.04
_SPED_TOLERANCE = 0.02
_OCTAVES = (0.25, 0.5, 1.0, 2.0, 4.0)
# Lines that are about no file: progress and the summary.
_PROGRESS = re.compile(r"^tempo: (?:\d+/\d+ files|[\d,]+ files?,|  )")
_BREAKDOWNS = {
    "internal error": "internal error",
    "crash": "decoder crashed|ended the process",
    "killed": "was killed",
    "hang": "took longer than",
}
UNCLEAR = re.compile(
    "Operation not permitted|Cannot allocate memory|Error number|patches welcome|Unknown error|Errno|"
    "Resource temporarily|Function not implemented|Not yet implemented|Numerical|Immediate exit|"
    "Invalid argument|Bug detected|error code|Input/output|list index|AudioResampler",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    name : str
        Of the file.
    right : list of float
        Tempi of its music; empty where it is not known.
    rate_lie : bool
        Whether it lies about its sample rate.
    bpm, confidence, duration : float or None
        Of the answer, the last in seconds.
    reason : str or None
        Why there is no tempo.
    error : str or None
        Why it could not be read.
    notes : list of str
        What stderr said about it beside the error.
    rows : int
        How many the results have of it.
    """

    name: str
    right: list[float]
    rate_lie: bool
    bpm: float | None = None
    confidence: float | None = None
    duration: float | None = None
    reason: str | None = None
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    rows: int = 0

    @property
    def breakdown(self) -> str | None:
        """How the tool itself broke, if it did."""
        found = (kind for kind, words in _BREAKDOWNS.items() if re.search(words, self.error or ""))
        return next(found, None)

    @property
    def wrong(self) -> bool:
        """Whether a tempo that is no octave of a right one was given with confidence and without a note."""
        if self.bpm is None or not self.right or self.notes or (self.confidence or 0.0) < CONFIDENT:
            return False
        near = (abs(self.bpm / (bpm * octave) - 1.0) for bpm in self.right for octave in _OCTAVES)
        return min(near) > TOLERANCE

    @property
    def sped(self) -> bool:
        """Whether all beats of the seed were heard, faster or slower than they are."""
        beats = (self.bpm or 0.0) * (self.duration or 0.0)
        ratios = (beats / (bpm * SECONDS * octave) for bpm in self.right for octave in (0.5, 1.0, 2.0))
        return any(abs(ratio - 1.0) < _SPED_TOLERANCE for ratio in ratios)

    @property
    def texts(self) -> list[str]:
        """What a user reads about it."""
        return [*([self.error] if self.error else []), *self.notes]


def judge(made: Iterable[Made], results: Path, stderr: str, folder: str) -> tuple[list[Outcome], list[str]]:
    """Tie rows and lines of stderr to files.

    Parameters
    ----------
    made : iterable of Made
        The files that the run was given.
    results : Path
        Its result file, JSON lines.
    stderr : str
        What it printed.
    folder : str
        What it called the folder of the files.

    Returns
    -------
    outcomes : list of Outcome
        One for each file.
    complaints : list of str
        What belongs to no file: lines that are not ours, rows too many.
    """
    outcomes = {each.name: Outcome(each.name, list(each.right), each.rate_lie) for each in made}
    complaints = []
    for row in _rows(results):
        name = str(row["path"]).removeprefix(f"{folder}/")
        outcome = outcomes.get(name)
        if outcome is None:
            complaints.append(f"a row for no file: {name}")
            continue
        outcome.rows += 1
        outcome.bpm, outcome.confidence, outcome.duration = row["bpm"], row["confidence"], row["duration"]
        outcome.reason, outcome.error = row["reason"], row["error"]
    for line in stderr.splitlines():
        match = re.match(rf"tempo: {re.escape(folder)}/(.+?): (.*)", line)
        outcome = outcomes.get(match[1]) if match else None
        if match and outcome is not None:
            if match[2] != outcome.error:
                outcome.notes.append(match[2])
        elif not _PROGRESS.match(line):
            complaints.append(f"on stderr: {line}")
    complaints += [f"{each.rows} rows: {each.name}" for each in outcomes.values() if each.rows != 1]
    return list(outcomes.values()), complaints


def _rows(results: Path) -> Iterator[dict[str, Any]]:
    if results.is_file():
        with results.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def masked(text: str) -> str:
    """Put ``N`` for numbers, so that alike reasons are counted together."""
    return re.sub(r"0x[0-9a-fA-F]+|-?\d[\d.,e+]*", "N", text)


def as_row(outcome: Outcome) -> str:
    """Write an outcome as a line of JSON."""
    return json.dumps(asdict(outcome))


def read_rows(path: Path) -> list[Outcome]:
    """Read the outcomes that an earlier run has kept."""
    with path.open(encoding="utf-8") as file:
        return [Outcome(**row) for row in map(json.loads, file) if "name" in row]


def counts(outcomes: list[Outcome]) -> dict[str, int]:
    """Count what became of the files, in words for a table."""
    wrong = [each for each in outcomes if each.wrong]
    return {
        "files": len(outcomes),
        "a tempo": sum(each.bpm is not None for each in outcomes),
        "a tempo, with a note of damage": sum(each.bpm is not None and bool(each.notes) for each in outcomes),
        "no tempo": sum(each.bpm is None and each.error is None for each in outcomes),
        "failed": sum(each.error is not None for each in outcomes),
        **{kind: sum(each.breakdown == kind for each in outcomes) for kind in _BREAKDOWNS},
        "unclear reason": sum(any(map(UNCLEAR.search, each.texts)) for each in outcomes),
        WRONG: sum(not each.rate_lie for each in wrong),
        "of these, the whole music faster or slower": sum(each.sped and not each.rate_lie for each in wrong),
        "the same with a lie about the rate": sum(each.rate_lie for each in wrong),
        CONFIDENTLY: sum(
            bool(each.right) and each.bpm is not None and (each.confidence or 0.0) >= CONFIDENT
            for each in outcomes
        ),
    }


def kinds(texts: Iterable[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """Group pairs of name and text by the text, numbers masked: how many, the text, one name."""
    number: Counter[str] = Counter()
    example: dict[str, str] = {}
    for name, text in texts:
        number[masked(text)] += 1
        example.setdefault(masked(text), name)
    return [(times, text, example[text]) for text, times in number.most_common()]
