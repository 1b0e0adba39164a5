"""``tempo train probe``: learn a user's own labels; needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli import batches, limits, options
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion
from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tempocli.inference.music import MusicSpec
    from tempocli.training.probe.fit import Fitted
    from tempocli.training.probe.labels import Labels

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_EXAMPLES = """\b
Examples:
  tempo train probe moods.csv -o mood.probe
  tempo train probe tracks.csv --column genre -o genre.probe
  tempo train probe moods.csv --vectors vectors.parquet -o mood.probe   vectors by 'tempo embed'
  tempo label ~/Music --probe mood.probe                                use it

The table has the columns path and label (one) or labels (several, separated by semicolons), and may have
group (album or artist). A label needs 8 tracks; some dozens are better.
"""


@click.command("probe", epilog=_EXAMPLES)
@click.argument("table", type=_FILE, metavar="LABELS.CSV")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completion.files,
    required=True,
    help="Write the probe to FILE.",
)
@click.option("--column", metavar="NAME", help="Column of the labels.  [default: label or labels]")
@click.option(
    "--audio-home",
    "home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the paths in the table.  [default: the folder of the table]",
)
@click.option("--vectors", type=_FILE, help="Take the vectors from a file of 'tempo embed' (npz, parquet).")
@click.option(
    "--parts",
    default="timbre,spectrum",
    show_default=True,
    metavar="NAMES",
    help="Parts of the vectors to learn from, separated by commas.",
)
@click.option("--force", is_flag=True, help="Write the probe even if it is no better than chance.")
@limits.jobs
@limits.max_memory
@options.verbosity
def command(
    table: Path,
    output: str,
    column: str | None,
    home: Path | None,
    vectors: Path | None,
    parts: str,
    force: bool,
    jobs: int,
    max_memory: int | None,
    verbose: bool,
    quiet: bool,
) -> None:
    """Learn labels of your own, such as moods, from some dozens of labelled tracks.

    Requires the extra 'probe'; see docs/labels.md.
    """
    console.configure(verbose=verbose, quiet=quiet)
    options.check_overwrites((output,), (str(table), None if vectors is None else str(vectors)))
    from tempocli.embedding.embedder import Embedder
    from tempocli.training.probe.export import write_probe
    from tempocli.training.probe.fit import fit_probe
    from tempocli.training.probe.labels import read_labels

    embedder = Embedder(device="cpu")
    names = _parts(embedder.spec, parts)
    labels = read_labels(table, column=column, home=home)
    if vectors is None:
        limit = batches.BatchOptions(None, False, (), (), jobs, None, max_memory, verbose, quiet)
        known = _embedded(embedder, labels.paths, limit, names)
    else:
        known = _read(vectors, names, embedder.spec)
    labels = labels.of(set(known))
    for label, count in sorted(labels.dropped.items()):
        console.error(f"label {label!r} is left out: {count} tracks are too few")
    blocks = [_stacked(known, labels.paths, place) for place in range(len(names))]
    fitted = fit_probe(blocks, labels.sets, labels.names, labels.groups, single=labels.single)
    if not quiet:
        _tell(labels, fitted)
    if not fitted.is_better_than_chance and not force:
        raise DataError("the probe is no better than chance, so it was not written; --force writes it")
    write_probe(
        output, fitted, labels.names, names, embedder.spec, single=labels.single, n_tracks=len(labels.paths)
    )


def _parts(spec: MusicSpec, text: str) -> list[str]:
    known = [part.name for part in spec.parts]
    wanted = [name.strip() for name in text.split(",")]
    for name in wanted:
        if name not in known:
            raise click.UsageError(f"--parts: there is no part {name!r}; the parts are {', '.join(known)}.")
    return [name for name in known if name in wanted]


def _embedded(
    embedder: Any, paths: list[str], limit: batches.BatchOptions, names: list[str]
) -> Mapping[str, list[NDArray[np.float32]]]:
    """Return the vectors of the tracks that can be read."""
    from tempocli.cli.inputs import Inputs
    from tempocli.schema import AudioInput, FileResult

    known: dict[str, list[NDArray[np.float32]]] = {}

    def receive(result: FileResult) -> None:
        track = result.embedding
        if track is not None and track.reason is None:
            known[result.path] = [track.parts[name] for name in names]

    inputs = Inputs(tuple(paths), None, False)
    batches.run(embedder, limit, inputs, receive, files=[AudioInput(path) for path in paths])
    return known


def _read(path: Path, names: list[str], spec: MusicSpec) -> Mapping[str, list[NDArray[np.float32]]]:
    import os

    from tempocli.output.vectors import read_vectors

    vectors = read_vectors(path, names)
    if (vectors.model, vectors.model_version) != (spec.name, spec.version):
        raise DataError(
            f"{path}: has vectors of {vectors.model} {vectors.model_version}, "
            f"not of {spec.name} {spec.version}"
        )
    for part in spec.parts:
        if part.name in names and vectors.parts[part.name].shape[1] != part.dim:
            raise DataError(f"{path}: its part {part.name} has not {part.dim} values")
    rows = zip(*(vectors.parts[name] for name in names), strict=True)
    return {os.path.abspath(track): list(row) for track, row in zip(vectors.paths, rows, strict=True)}


def _stacked(
    known: Mapping[str, list[NDArray[np.float32]]], paths: list[str], place: int
) -> NDArray[np.float32]:
    import numpy as np

    return np.stack([known[path][place] for path in paths])


def _tell(labels: Labels, fitted: Fitted) -> None:
    """Say on stderr how good the probe is."""
    measure = "accuracy" if labels.single else "mean average precision"
    low, high = fitted.interval
    console.error(
        f"{measure} {fitted.score:.2f} ({low:.2f} to {high:.2f}) on tracks that it had not seen; "
        f"by chance {fitted.chance:.2f}; calibration error {fitted.calibration_error:.2f}"
    )
    for name in labels.names:
        count = sum(name in each for each in labels.sets)
        console.error(f"  {name}: {count} tracks, {fitted.by_label[name]:.2f}")
