"""Tables of the commands on terminals of 36, 80 and 200 columns."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
import soundfile
from commands import process
from forms import song_of
from libraries import make_library
from screens import Screen, seen

from tempocli.embedding.index.library import Library

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
COLUMNS = pytest.mark.parametrize("columns", [36, 80, 200])
LONG = "a very long name of a song that has no end and goes on and on until 123.wav"


def check_name(line: str, screen: Screen) -> None:
    """Check that the long name is there, whole or cut in the middle."""
    if LONG in line:
        return
    assert screen.columns < 200, "cut, although there is room"
    start, cut, end = re.split(r" {2,}", line)[0].partition("…")
    assert cut, line
    assert LONG.startswith(start)
    assert LONG.endswith(end)
    assert end.endswith("3.wav")
    assert abs(len(start) - len(end)) <= 1


@COLUMNS
def test_estimate(music: Path, columns: int) -> None:
    (music / LONG).touch()
    (music / "doubtful 90.wav").touch()
    screen = seen("estimate", LONG, "128.wav", "silent.wav", "broken.wav", "doubtful 90.wav", columns=columns)
    assert screen.code == 3
    header = screen.row("File")
    assert header.startswith("File")
    assert re.search(r" BPM( |$)", header)
    if columns >= 80:
        above = screen.lines[screen.lines.index(header) - 1]
        assert "Octave" in above
        assert header.index("confidence") <= above.index("Octave") + len("confidence")
        assert "2nd BPM" in header
    assert "Notes" in header
    rows = screen.below("File")
    check_name(next(row for row in rows if "123.00" in row), screen)
    assert screen.row("128.wav").split()[1] == "128.00"
    assert screen.row("broken.wav").split() == ["broken.wav", "failed"]
    assert screen.row("silent.wav").split()[:2] == ["silent.wav", "-"]
    assert "silence" in screen.row("silent.wav")
    assert "doubtful" in next(row for row in rows if " 90.00 " in row)
    told = [line for line in screen.lines if line.startswith("tempo: broken.wav")]
    assert len(told) == 1


@COLUMNS
def test_estimate_of_one_file(music: Path, columns: int) -> None:
    screen = seen("128.wav", columns=columns)
    assert screen.code == 0
    assert screen.lines[0] == "128.wav"
    assert screen.row("  Tempo").split() == ["Tempo", "128.00", "±", "0.012", "BPM"]
    assert screen.row("  Octave").split() == ["Octave", *(["confidence"] if columns >= 80 else []), "65%"]


@COLUMNS
def test_the_histogram_has_no_prefix_and_fits(music: Path, columns: int) -> None:
    screen = seen("estimate", "music", "128.wav", "-o", "out.csv", columns=columns)
    assert screen.code == 0
    bars = [line for line in screen.lines if " BPM " in line and " to " in line]
    assert [line.split()[:5] for line in bars] == [
        ["80", "to", "100", "BPM", "1"],
        ["100", "to", "120", "BPM", "1"],
        ["120", "to", "140", "BPM", "2"],
    ]
    assert not any("tempo:" in line for line in bars)
    lengths = [line.count("#") for line in bars]
    assert lengths[2] == 2 * lengths[0] == 2 * lengths[1] > 0
    assert lengths[2] == min(40, columns - 26)
    # A bar that went over the edge would go on in a line of its own.
    assert not any(set(line) == {"#"} for line in screen.lines)


@COLUMNS
def test_a_table_fits_if_stdin_is_no_terminal(music: Path, columns: int) -> None:
    (music / LONG).touch()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    try:
        screen = seen("estimate", LONG, "128.wav", columns=columns, stdin=nowhere)
    finally:
        os.close(nowhere)
    check_name(next(line for line in screen.lines if "123.00" in line), screen)
    assert ("2nd BPM" in screen.row("File")) == (columns >= 80)


@COLUMNS
def test_compare(music: Path, columns: int) -> None:
    for name in ("a 61.5.wav", "b 61.5.wav", "72.57.wav", LONG):
        (music / name).touch()
    targets = ("b 61.5.wav", LONG, "72.57.wav", "silent.wav", "broken.wav")
    screen = seen("compare", "a 61.5.wav", *targets, columns=columns)
    assert screen.code == 3
    assert "Compared with a 61.5.wav:" in screen.lines
    header = screen.row("File")
    assert header.split()[:2] == ["File", "Tempo"]
    assert "Difference" in header
    assert ("Ratio" in header) == (columns >= 80)
    numbers = ["100%", "1.000"] if columns >= 80 else []
    assert screen.row("b 61.5.wav").split() == ["b", "61.5.wav", "same", *numbers, "none"]
    assert screen.row("72.57.wav").split()[1] == "different"
    assert "18.0" in screen.row("72.57.wav")
    assert screen.row("silent.wav").split() == ["silent.wav", "-", "silence"]
    assert screen.row("broken.wav").split() == ["broken.wav", "failed"]
    check_name(screen.row("a v"), screen)
    words = " ".join(line[-40:] if columns > 36 else line[24:] for line in screen.below("File"))
    assert "double the tempo, an octave up" in " ".join(words.split())
    assert len([line for line in screen.lines if "broken.wav" in line]) == 2


@COLUMNS
def test_similar(tmp_path: Path, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_library(tmp_path, [120.0, 60.0, 126.0, 200.0, None, 90.0])
    monkeypatch.chdir(tmp_path)
    song = Library(str(folder)).tracks[0].path
    screen = seen("similar", song, "--index", str(folder), columns=columns)
    assert screen.code == 0
    header = screen.row("File")
    assert header.split()[:2] == ["File", "Similarity"]
    assert "BPM" in header
    assert ("Pitch fader" in header) == (columns >= 80)
    rows = screen.below("File")
    assert len(rows) == 5
    paths = [entry.path for entry in Library(str(folder)).tracks[1:]]
    for row in rows:
        name = re.split(r"  +", row)[0]
        start, _, end = name.partition("…")
        assert any(path.startswith(start) and path.endswith(end) for path in paths), row
        assert end.endswith(".wav") or name.endswith(".wav")


@COLUMNS
def test_segment(tmp_path: Path, columns: int, monkeypatch: pytest.MonkeyPatch, model_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write(LONG, song_of("AB"), 22050)
    screen = seen("segment", LONG, "--device", "cpu", columns=columns, program=("-m", "tempocli"))
    assert screen.code == 0
    header = screen.row(" Start")
    assert header.split()[:5] == ["Start", "End", "Label", "Bars", "BPM"]
    assert ("Confidence" in header) == (columns >= 80)
    check_name(screen.lines[screen.lines.index(header) - 1], screen)
    rows = [row.split() for row in screen.below(" Start") if re.match(r" *\d:\d\d\.\d  +\d:\d\d\.\d  ", row)]
    assert rows[0][0] == "0:00.0"
    assert [row[2] for row in rows[:2]] == ["A", "B"]
    assert {len(row) for row in rows} == {6 if columns >= 80 else 5}


@COLUMNS
def test_models(model_path: Path, columns: int) -> None:
    screen = seen("models", columns=columns)
    assert screen.code == 0
    header = screen.row("Name")
    assert header.split()[0] == "Name"
    assert "Summary" in header
    assert all(title in header for title in ("Version", "Size", "Licence")) == (columns >= 80)
    for name in ("tempo", "equivariant", "compare", "music", "beats"):
        assert any(line.split()[:1] == [name] for line in screen.lines), name
    assert "Tempo of music" in screen.row("tempo ")


@COLUMNS
def test_help_uses_the_width(columns: int) -> None:
    screen = seen("estimate", "--help", columns=columns)
    assert screen.code == 0
    (number,) = [n for n, line in enumerate(screen.lines) if line.startswith("  -q, --quiet")]
    assert "Show errors" in "".join(screen.lines[number : number + 2])
    paragraphs = screen.lines[: screen.lines.index("Input:")]
    assert max(map(len, paragraphs)) <= min(columns, 100)
    assert (max(map(len, paragraphs)) > 80) == (columns == 200)


def test_in_a_pipe_the_width_does_not_matter(music: Path) -> None:
    (music / LONG).touch()
    for columns in ("36", "200"):
        done = process(LONG, "128.wav", env=os.environ | {"COLUMNS": columns})
        assert done.stdout.decode() == f"{LONG}\t123.00\n128.wav\t128.00\n"
