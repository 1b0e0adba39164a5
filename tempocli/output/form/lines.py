"""Sections one per line: text, CSV, ``.lab`` and Audacity labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.output.formats.layout import escape
from tempocli.output.formats.lines import part_cells, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.decoding.segments.song import Section, SongForm
    from tempocli.output.formats import Layout
    from tempocli.schema import FileResult

HEADER = "path,part_start,part_duration,start,end,label,bars,bpm,confidence\n"


def write_text(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write start, end, label, bars and tempo of each section, separated by tabs.

    The path comes before them when `layout.named`; ``-`` stands for bars and a tempo that are not known.
    """
    for result in results:
        if result.form is None:
            continue
        before = [escape(result.path)] if layout.named else []
        rows = [[*_times(each), *(cell or "-" for cell in _music(each, layout))] for each in _of(result)]
        yield "".join("\t".join([*before, *row]) + "\n" for row in rows)


def write_csv(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write the sections; `HEADER` comes first."""
    for result in results:
        if result.form is None:
            continue
        before = [quote(result.path), *part_cells(result.part)[:2]]
        yield "".join(
            ",".join([*before, *_times(each), *_music(each, layout), f"{each.confidence:.4f}"]) + "\n"
            for each in _of(result)
        )


def write_lab(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write start, end and label of each section, as mir_eval and Sonic Visualiser read them."""
    for result in results:
        yield "".join("\t".join(_times(each)) + "\n" for each in _of(result))


def write_audacity(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write a label track for Audacity: a region for each section."""
    return write_lab(results, layout)


def _of(result: FileResult) -> tuple[Section, ...]:
    form: SongForm | None = result.form
    return () if form is None else form.sections


def _times(section: Section) -> list[str]:
    return [f"{section.start:.4f}", f"{section.end:.4f}", section.label]


def _music(section: Section, layout: Layout) -> list[str]:
    return [
        "" if section.bars is None else str(section.bars),
        "" if section.bpm is None else layout.bpm(section.bpm),
    ]
