"""``tempo evaluate --task segments``: score the sections of songs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tempocli.cli.terminal import console
from tempocli.cli.terminal.tables import cells, print_tables
from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tempocli.evaluation.segments import Segmentation, SegmentReport

_ROWS = {
    "F-measure, 0.5 s": "f_half",
    "F-measure, 3 s": "f_three",
    "F-measure, 0.5 s, trimmed": "f_half_trimmed",
    "F-measure, 3 s, trimmed": "f_three_trimmed",
    "pairwise F-measure": "pairwise",
    "over-segmentation": "over",
    "under-segmentation": "under",
}


def run(folders: Sequence[Path], estimates: Path | None, *, as_json: bool) -> None:
    """Score the sections, and print the scores."""
    from tempocli.evaluation.segment_files import read_folder
    from tempocli.evaluation.segments import evaluate_segments

    if estimates is None:
        raise click.UsageError("--task segments needs --estimates FOLDER.")
    references: dict[str, Segmentation] = {}
    for folder in folders:
        for name, annotation in read_folder(folder).items():
            if name in references:
                raise DataError(f"{folder}: {name} is in another folder, too")
            references[name] = annotation
    found = read_folder(estimates)
    missing = [name for name in references if name not in found]
    if len(missing) == len(references):
        raise DataError("there are estimates of none of the references; are the names the same?")
    if missing:
        console.error(
            f"no estimate of {len(missing)} of {len(references)} references, {missing[0]} among them: "
            "counted as missing"
        )
    report = evaluate_segments(list(references.values()), [found.get(name) for name in references])
    if as_json:
        click.echo(json.dumps({"reference": [str(path) for path in folders]} | asdict(report), indent=2))
    else:
        print_tables([_rows(report)])


def _rows(report: SegmentReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("score", "value", "95 % interval", "tracks")]
    rows += [(name, *cells(getattr(report, field), 3, ""), str(report.n)) for name, field in _ROWS.items()]
    return rows
