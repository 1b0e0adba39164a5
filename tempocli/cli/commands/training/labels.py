"""``tempo train data labels``: recordings of known tempo as training data."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from tempocli.cli.commands.training.prepare import data, run_all, shared
from tempocli.cli.terminal import console
from tempocli.errors import DataError


@data.command()
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@shared
def labels(table: Path, out: Path, jobs: int) -> None:
    """Read the recordings whose tempi are in TABLE (CSV), to train on them.

    TABLE has a header with the columns path and bpm. Paths are relative to its folder. Recordings with the
    same value in the optional column group, such as an album, are never split between training and
    validation. The first 300 s of a recording are used; one below 15 s is left out.
    """
    from tempocli.training.data.labels import check_store, make_labelled, read_labels
    from tempocli.training.data.prepare import prepare
    from tempocli.training.data.store import read_index

    rows = read_labels(table)
    folder = out / "labels"
    check_store(folder, rows)
    run_all(
        len(rows), prepare(folder, rows, partial(make_labelled, folder=table.parent, labels=rows), jobs=jobs)
    )
    made = {clip.name for clip in read_index(folder)}
    for name in rows:
        if name not in made:
            console.error(f"{name}: left out, it cannot be read or is shorter than 15 s")
    if not made:
        raise DataError(f"{table}: none of its {len(rows)} recordings can be used")
    console.error(f"{folder}: {len(made)} of {len(rows)} recordings")
