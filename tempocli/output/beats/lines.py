"""Beats one per line: text, CSV, ``.beats`` and Audacity labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.output.formats.layout import escape
from tempocli.output.formats.lines import part_cells, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.output.formats import Layout
    from tempocli.schema import BeatTrack, FileResult

# Header of CSV, without and with the grid.
HEADERS = {
    False: "path,part_start,part_duration,time,position,confidence,downbeat_confidence\n",
    True: "path,part_start,part_duration,start,end,anchor,bpm,beats,residual_ms\n",
}


def write_text(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[str]:
    """Write time and position of each beat, separated by a tab, after the path when `layout.named`.

    With the grid: start, end, anchor, BPM, number of beats and residual in milliseconds of each stretch.
    """
    for result in results:
        if result.beats is None:
            continue
        before = [escape(result.path)] if layout.named else []
        rows = _grid_rows(result.beats, layout) if grid else _beat_rows(result.beats)
        yield "".join("\t".join([*before, *row]) + "\n" for row in rows)


def write_csv(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[str]:
    """Write the beats, or the stretches of the grid; `HEADERS` come first."""
    for result in results:
        if result.beats is None:
            continue
        before = [quote(result.path), *part_cells(result.part)[:2]]
        if grid:
            rows = _grid_rows(result.beats, layout)
        else:
            rows = [
                [*row, f"{beat.confidence:.4f}", f"{beat.downbeat_confidence:.4f}"]
                for row, beat in zip(_beat_rows(result.beats), result.beats.beats, strict=True)
            ]
        yield "".join(",".join([*before, *row]) + "\n" for row in rows)


def write_beats(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[str]:
    """Write time and position of each beat, as beat_this and madmom do."""
    for result in results:
        if result.beats is not None:
            yield "".join("\t".join(row) + "\n" for row in _beat_rows(result.beats))


def write_audacity(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[str]:
    """Write a label track for Audacity: point labels with the position in the bar."""
    for result in results:
        if result.beats is not None:
            rows = _beat_rows(result.beats)
            yield "".join(f"{time}\t{time}\t{position}\n" for time, position in rows)


def _beat_rows(track: BeatTrack) -> list[list[str]]:
    return [[f"{beat.time:.4f}", str(beat.position)] for beat in track.beats]


def _grid_rows(track: BeatTrack, layout: Layout) -> list[list[str]]:
    return [
        [
            f"{each.start:.4f}",
            f"{each.end:.4f}",
            f"{each.anchor:.4f}",
            layout.bpm(each.bpm),
            str(each.n_beats),
            f"{1000.0 * each.residual:.1f}",
        ]
        for each in track.grid
    ]
