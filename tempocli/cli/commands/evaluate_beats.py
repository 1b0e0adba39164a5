"""``tempo evaluate --task beats``: score beats, downbeats and metre."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from tempocli.batch.engines.local import TIMEOUT
from tempocli.batch.engines.summary import EXIT_SOME_FAILED
from tempocli.cli.terminal import console
from tempocli.cli.terminal.tables import cells, print_tables
from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tempocli.evaluation.beats import BeatAnnotation, BeatReport


@dataclass(frozen=True, slots=True)
class Request:
    """What to score.

    Attributes
    ----------
    references : sequence of Path
        Folders of annotations.
    estimates : Path or None
        JSON or JSONL of ``tempo beats``, or a folder of annotations.
    audio : Path or None
        Folder of the audio files, if there are no estimates.
    skip : float
        Beats before this time are not scored, in seconds.
    model : str or None
        The beat network.
    device : str
    jobs : int
        Number of worker processes.
    min_bpm, max_bpm : float
        Range of the tempo.
    quiet : bool
    """

    references: Sequence[Path]
    estimates: Path | None
    audio: Path | None
    skip: float
    model: str | None
    device: str
    jobs: int
    min_bpm: float
    max_bpm: float
    quiet: bool


def run(request: Request, *, as_json: bool) -> int:
    """Score the beats, print the scores, and return the exit status."""
    from tempocli.evaluation.beat_files import read_folder
    from tempocli.evaluation.beats import evaluate_beats

    if (request.estimates is None) == (request.audio is None):
        raise click.UsageError("--task beats needs --audio FOLDER or --estimates FILE.")
    references: dict[str, BeatAnnotation] = {}
    for folder in request.references:
        for name, annotation in read_folder(folder).items():
            if name in references:
                raise DataError(f"{folder}: {name} is in another folder, too")
            references[name] = annotation
    found, n_failed = _found(request, list(references))
    missing = [name for name in references if name not in found]
    if len(missing) == len(references):
        raise DataError("there are estimates of none of the references; are the names the same?")
    if missing:
        console.error(
            f"no estimate of {len(missing)} of {len(references)} references, {missing[0]} among them: "
            "counted as missing"
        )
    report = evaluate_beats(
        list(references.values()), [found.get(name) for name in references], skip=request.skip
    )
    if as_json:
        source = {"reference": [str(path) for path in request.references], "skip": request.skip}
        click.echo(json.dumps(source | asdict(report), indent=2))
    else:
        print_tables([_rows(report)])
    return EXIT_SOME_FAILED if n_failed else 0


def _found(request: Request, names: Sequence[str]) -> tuple[dict[str, BeatAnnotation], int]:
    """Return the estimates by name, and the number of files that failed."""
    from tempocli.evaluation.beat_files import read_folder, read_results

    if request.estimates is not None:
        if request.estimates.is_dir():
            return read_folder(request.estimates), 0
        return read_results(request.estimates), 0
    return _tracked(request, names)


def _tracked(request: Request, names: Sequence[str]) -> tuple[dict[str, BeatAnnotation], int]:
    from tempocli.batch import find_files, process_files
    from tempocli.beats.tracker import BeatTracker
    from tempocli.evaluation.beat_files import annotation

    assert request.audio is not None
    wanted = set(names)
    paths: dict[str, str] = {}
    for path in find_files([request.audio]):
        stem = path.rpartition("/")[2].rpartition(".")[0]
        if stem in wanted and paths.setdefault(stem, path) != path:
            raise DataError(f"{request.audio}: has two files of the name {stem}")
    tracker = BeatTracker(
        request.model, device=request.device, min_bpm=request.min_bpm, max_bpm=request.max_bpm
    )
    results = process_files(tracker, list(paths.values()), jobs=request.jobs, timeout=TIMEOUT)
    if console.stderr_is_terminal() and not request.quiet:
        results = iter(console.track(results, len(paths)))
    found: dict[str, BeatAnnotation] = {}
    n_failed = 0
    for name, result in zip(paths, results, strict=True):
        if result.beats is None:
            n_failed += 1
            console.error(f"{result.path}: {result.error}")
        else:
            found[name] = annotation((beat.time, beat.position) for beat in result.beats.beats)
    return found, n_failed


def _rows(report: BeatReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("score", "value", "95 % interval", "tracks")]
    for name, score, n_tracks in (
        ("F-measure, 70 ms", report.f_measure, report.n),
        ("CMLc", report.cml_c, report.n),
        ("CMLt", report.cml_t, report.n),
        ("AMLc", report.aml_c, report.n),
        ("AMLt", report.aml_t, report.n),
        ("downbeat F-measure, 70 ms", report.downbeat_f_measure, report.n_downbeats),
        ("metre right", report.metre, report.n_metres),
    ):
        if score is not None:
            rows.append((name, *cells(score, 3, ""), str(n_tracks)))
    return rows
