"""Tables of any width: which columns stay, how names are cut, and what the tables of commands say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from fake_estimator import make_estimate
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from tempocli.cli.terminal import comparisons, console, matches, sections
from tempocli.cli.terminal.fitting import Column, fitted
from tempocli.comparison import TempoComparison
from tempocli.decoding.segments.song import Section, SongForm
from tempocli.output.formats import Layout
from tempocli.output.matches import Row
from tempocli.schema import FileResult, Part

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = "a very long name of a song that has no end and then 123.wav"
COLUMNS = (
    Column("File", "left"),
    Column("First", need=1),
    Column("Second", need=2),
    Column("Notes", "left", wraps=True),
)
Show = "Callable[[int, Callable[[], None]], list[str]]"


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """`show(width, function)` -> the lines that the function shows on a terminal of a width."""

    def shown(width: int, function: Callable[[], None]) -> list[str]:
        file = io.StringIO()
        monkeypatch.setattr(console, "results_console", lambda: Console(file=file, width=width))
        function()
        return file.getvalue().splitlines()

    return shown


def lines_of(rows: list[list[str]], width: int) -> list[str]:
    file = io.StringIO()
    table = fitted(COLUMNS, [[Text(cell) for cell in row] for row in rows], width)
    Console(file=file, width=width).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [16, 20, 36, 80, 200])
def test_a_table_is_never_wider_than_the_terminal(width: int) -> None:
    lines = lines_of([[LONG, "1", "2", "a note of many words that may wrap"], ["b.wav", "3", "4", ""]], width)
    assert max(map(cell_len, lines)) <= width
    assert lines[0].startswith("File")


def test_columns_go_in_the_order_of_need() -> None:
    rows = [[LONG, "1", "2", ""]]
    heads = {tuple(lines_of(rows, width)[0].split()) for width in range(16, 90)}
    assert heads == {("File",), ("File", "Second"), ("File", "First", "Second")}
    assert lines_of(rows, 80)[1] == f"{LONG}      1       2"
    assert lines_of(rows, 36)[1] == "a very lon…en 123.wav      1       2"


def test_an_empty_column_is_left_out() -> None:
    assert lines_of([["a.wav", "", "2", ""]], 80)[0].split() == ["File", "Second"]


def test_notes_use_the_room_that_is_left_and_wrap() -> None:
    note = "a note of many words that may wrap"
    assert lines_of([["a.wav", "1", "2", note]], 80)[1].endswith(note)
    wrapped = lines_of([["a.wav", "1", "2", note]], 40)
    assert len(wrapped) > 2
    assert " ".join(" ".join(line[22:].split()) for line in wrapped[1:]).split() == note.split()


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (2.0, "double the tempo, an octave up"),
        (1.97, "double the tempo, an octave up"),
        (0.5, "half the tempo, an octave down"),
        (4.0, "four times the tempo, two octaves up"),
        (0.25, "a quarter of the tempo, two octaves down"),
        (3.0, "three times the tempo"),
        (1 / 3, "a third of the tempo"),
        (1.0002, "none"),
        (1.02, "2.0 % faster"),
        (0.9, "10.0 % slower"),
        (1.5, "50.0 % faster"),
    ],
)
def test_ratios_in_words(ratio: float, words: str) -> None:
    assert comparisons.in_words(ratio) == words


@pytest.mark.parametrize("width", [36, 80, 200])
def test_comparisons(show: Show, width: int) -> None:
    results = [
        (LONG, (TempoComparison(0.1, 2.0, None), None)),
        ("same.wav", (TempoComparison(0.98, 1.0, None), None)),
        ("silent.wav", (TempoComparison(None, None, "silence"), None)),
        ("gone.wav", (None, "No such file")),
    ]
    lines = show(width, lambda: comparisons.show_comparisons("a.wav", results))
    assert lines[0] == "Compared with a.wav:"
    text = "\n".join(lines)
    assert max(map(cell_len, lines)) <= width
    (header,) = [line for line in lines if line.startswith("File")]
    assert ("Ratio" in header) == (width > 36)
    assert "Difference" in header
    (same,) = [line for line in lines if line.startswith("same.wav")]
    numbers = ["98%", "1.000"] if width > 36 else []
    assert same.split() == ["same.wav", "same", *numbers, "none"]
    assert [line.split() for line in lines if line.startswith("gone")] == [["gone.wav", "failed"]]
    assert [line.split() for line in lines if line.startswith("silent")] == [["silent.wav", "-", "silence"]]
    assert ("…" in text) == (width < 200)
    assert "octave" in text


@pytest.mark.parametrize("width", [36, 80, 200])
def test_matches(show: Show, width: int) -> None:
    rows = [Row(LONG, 0.9, 126.0), Row("b.wav", 0.8, None)]
    lines = show(width, lambda: matches.show_matches(rows, 120.0))
    assert max(map(cell_len, lines)) <= width
    assert lines[0].startswith("File ")
    assert ("Pitch fader" in lines[0]) == (width > 36)
    assert "Section" not in lines[0]
    assert ("…" in lines[1]) == (width < 200 and cell_len(LONG) + 35 > width)
    assert lines[1].split()[-2:] == (["-4.8", "%"] if width > 36 else ["0.900", "126.00"])
    assert "3.wav" in lines[1]
    assert len(lines) == 3


def test_sections_among_matches(show: Show) -> None:
    rows = [Row(LONG, 0.9, 126.0, Part(30.0, 32.5), 32.5, "B")]
    wide = show(200, lambda: matches.show_matches(rows, 120.0))
    assert wide[0].split() == ["File", "Section", "Similarity", "BPM", "Pitch", "fader"]
    assert f"{LONG}  B, 0:30 to 1:02" in wide[1]
    narrow = show(40, lambda: matches.show_matches(rows, 120.0))
    assert "B, 0:30 to 1:02" in narrow[1]
    assert narrow[1].startswith("a ver")


@pytest.mark.parametrize("width", [36, 80])
def test_sections(show: Show, width: int) -> None:
    found = (Section(0.0, 16.04, "A", 8, 120.0, 0.9), Section(16.04, 75.96, "B", None, None, 0.5))
    form = SongForm(found, make_estimate(120.0), 4, None, 75.96, "music", "1")
    empty = SongForm((), make_estimate(None), None, "silence", 20.0, "music", "1")
    results = [FileResult(LONG, form=form), FileResult("b.wav", form=empty)]

    def all_of() -> None:
        tables = sections.SectionTables(Layout())
        for result in results:
            tables.add(result)
        tables.close()

    lines = show(width, all_of)
    assert ("…" in lines[0]) == (width == 36)
    assert lines[0].endswith("123.wav")
    confidence = ["Confidence"] if width > 36 else []
    assert lines[1].split() == ["Start", "End", "Label", "Bars", "BPM", *confidence]
    assert lines[2].split()[:5] == ["0:00.0", "0:16.0", "A", "8", "120.00"]
    assert lines[3].split()[:5] == ["0:16.0", "1:16.0", "B", "-", "-"]
    assert len(lines) == 4
