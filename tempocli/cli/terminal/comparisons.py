"""Comparisons of tempi as a table on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tempocli.cli.terminal import console
from tempocli.cli.terminal.fitting import Column, fitted
from tempocli.decoding.distributions import relation as simple_ratio
from tempocli.output.formats import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tempocli.comparison import TempoComparison

_COLUMNS = (
    Column("File", "left"),
    Column("Tempo", "left"),
    Column("Probability\nof same", need=1),
    Column("Ratio", need=2),
    Column("Difference", "left", wraps=True),
)
_IN_WORDS = {
    "2": "double the tempo, an octave up",
    "1/2": "half the tempo, an octave down",
    "4": "four times the tempo, two octaves up",
    "1/4": "a quarter of the tempo, two octaves down",
    "3": "three times the tempo",
    "1/3": "a third of the tempo",
}


def show_comparisons(
    reference: str, results: Sequence[tuple[str, tuple[TempoComparison | None, str | None]]]
) -> None:
    """Show a table with one row per target.

    Parameters
    ----------
    reference : str
        Path of the recording that the others were compared with.
    results : sequence
        For each target its path, the comparison if there is one, and the error if there is none.
    """
    output = console.results_console()
    rows = [_row(path, relation) for path, (relation, _) in results]
    output.print(Text(f"Compared with {printable(reference)}:"), soft_wrap=True)
    output.print(fitted(_COLUMNS, rows, output.width))


def _row(path: str, relation: TempoComparison | None) -> list[Text]:
    name = Text(printable(path))
    if relation is None:
        return [name, Text("failed", style="red"), Text(), Text(), Text()]
    if relation.probability is None or relation.ratio is None:
        return [name, Text("-"), Text(), Text(), Text(relation.reason or "", style="dim")]
    verdict = Text("same", style="green") if relation.same else Text("different", style="yellow")
    words = in_words(relation.ratio)
    return [name, verdict, Text(f"{relation.probability:.0%}"), Text(f"{relation.ratio:.3f}"), Text(words)]


def in_words(ratio: float) -> str:
    """Return how much faster a recording is than another, or by how many octaves, in words.

    Parameters
    ----------
    ratio : float
        Its tempo divided by that of the other.
    """
    simple = simple_ratio(ratio, 1.0)
    if simple in _IN_WORDS:
        return _IN_WORDS[simple]
    percent = 100.0 * (ratio - 1.0)
    if abs(percent) < 0.05:
        return "none"
    return f"{abs(percent):.1f} % {'faster' if percent > 0 else 'slower'}"
