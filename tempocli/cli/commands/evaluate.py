"""``tempo evaluate``: score estimates against a table of reference tempi."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tempocli.batch.engines.local import TIMEOUT
from tempocli.batch.engines.summary import EXIT_SOME_FAILED
from tempocli.cli import limits, options
from tempocli.cli.terminal import console
from tempocli.cli.terminal.tables import cells, print_tables
from tempocli.cli.usage.groups import GroupedCommand
from tempocli.errors import DataError
from tempocli.inference.options import EstimatorOptions, SearchOptions
from tempocli.output.formats.layout import encode, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tempocli.decoding.profiles.profile import Profile
    from tempocli.evaluation.annotations import Reference, TrackEstimate
    from tempocli.evaluation.datasets import StandardSet
    from tempocli.evaluation.scoring import Report, Score
    from tempocli.schema import FileResult

    Rows = list[tuple[str, ...]]


@click.command("evaluate", cls=GroupedCommand)
@click.argument("reference", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--dataset",
    metavar="NAME",
    help="Score on a standard set, such as ballroom, in place of REFERENCE; requires the extra 'eval'.",
)
@click.option(
    "--data-home",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --dataset: its folder, as mirdata lays it out.  [default: ~/mir_datasets/NAME]",
)
@click.option(
    "--task",
    type=click.Choice(["tempo", "beats", "segments"]),
    default="tempo",
    show_default=True,
    help="What to score; with beats or segments, REFERENCE is a folder of annotations.",
)
@click.option(
    "--estimates",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Score the estimates in FILE, and run no model: CSV with the columns path and bpm; for beats, "
    "JSON of 'tempo beats' or a folder; for segments, a folder.",
)
@click.option(
    "--audio",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="With --task beats: the audio files, with the names of the annotations.",
)
@click.option(
    "--skip",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=0.0,
    show_default=True,
    help="With --task beats: do not score the beats before this time; 5 is usual.",
)
@options.method
@options.model
@options.device
@limits.jobs
@options.tempo_range
@options.profile
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save the estimates to FILE as CSV, for --estimates.",
)
@click.option("--by", metavar="COLUMN", help="Also score each group of tracks with the same value of COLUMN.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@options.verbosity
@click.pass_context
def command(
    context: click.Context,
    reference: tuple[Path, ...],
    dataset: str | None,
    data_home: Path | None,
    task: str,
    estimates: Path | None,
    audio: Path | None,
    skip: float,
    method: str,
    references: str | None,
    model: str | None,
    device: str,
    jobs: int,
    min_bpm: float,
    max_bpm: float,
    profile: Profile | None,
    save: Path | None,
    by: str | None,
    format_name: str,
    verbose: bool,
    quiet: bool,
) -> None:
    """Score tempo estimates against the tempi in one or more REFERENCE files (CSV).

    REFERENCE has a header with the columns path and bpm; bpm2, salience, steady and others are optional.
    Paths are relative to its folder. With --min-bpm or --max-bpm, any octave of a reference within the range
    is correct; if there is none, the correct answer is no tempo.

    With --dataset, the tempi and the paths are those of a standard set that you have (docs/evaluate.md lists
    them). Nothing is downloaded.

    With --task beats, REFERENCE is a folder with one annotation per track: lines of time and position; with
    --task segments, lines of start, end and label.
    """
    console.configure(verbose=verbose, quiet=quiet)
    _check_source(context, reference, dataset, task)
    if task == "beats":
        from tempocli.cli.commands import evaluate_beats

        _refuse(context, ("method", "references", "profile", "save", "by"), "with --task beats")
        if estimates is not None:
            _refuse(context, ("model", "device", "jobs", "min_bpm", "max_bpm"))
        options.check_tempo_range(min_bpm, max_bpm)
        request = evaluate_beats.Request(
            reference, estimates, audio, skip, model, device, jobs, min_bpm, max_bpm, quiet
        )
        context.exit(evaluate_beats.run(request, as_json=format_name == "json"))
    _refuse(context, ("audio", "skip"), "without --task beats")
    if task == "segments":
        from tempocli.cli.commands import evaluate_segments

        tempo_only = ("method", "references", "model", "device", "jobs", "min_bpm", "max_bpm", "save", "by")
        _refuse(context, (*tempo_only, "profile"), "with --task segments")
        evaluate_segments.run(reference, estimates, as_json=format_name == "json")
        return
    from tempocli.evaluation.scoring import TempoRange, evaluate, group_by

    options.check_tempo_range(min_bpm, max_bpm)
    search = SearchOptions(min_bpm, max_bpm)
    if estimates is not None:
        _refuse(context, ("method", "references", "model", "device", "jobs", "profile", "save"))
    options.check_method(method, model, references)
    options.check_overwrites([None if save is None else str(save)], map(str, reference))
    standard = None
    if dataset is not None:
        standard = _read_dataset(dataset, data_home, needs_audio=estimates is None)
        files = list(zip(standard.references, standard.files, strict=True))
    else:
        files = _read(reference, unique=estimates is not None or save is not None)
    rows = [row for row, _ in files]
    groups = group_by(rows, by) if by is not None else {}
    if estimates is not None:
        tracks, n_failed = _match(rows, estimates), 0
    else:
        from tempocli.batch import estimate_files
        from tempocli.estimator import Estimator

        wanted = EstimatorOptions(model, method, references, device, search, profile)
        estimator = Estimator.from_options(wanted)
        paths = [str(path) for _, path in files]
        results: Iterable[FileResult] = estimate_files(estimator, paths, jobs=jobs, timeout=TIMEOUT)
        if console.stderr_is_terminal() and not quiet:
            results = console.track(results, len(paths))
        tracks, n_failed = _collect(rows, results, save)
    score = partial(evaluate, tempo_range=None if search.is_everything else TempoRange(min_bpm, max_bpm))
    report = score(rows, tracks)
    group_reports = {
        name: score([rows[index] for index in members], [tracks[index] for index in members])
        for name, members in groups.items()
    }
    if format_name == "json":
        names = [str(path) for path in reference]
        source = {
            "reference": names if len(names) > 1 else next(iter(names), None),
            "dataset": standard and standard.summary(),
            "estimates": estimates and str(estimates),
        }
        click.echo(json.dumps(source | _document(report, by, group_reports), indent=2))
    else:
        print_tables([*_source_tables(standard), *_tables(report, by, group_reports)])
    if n_failed:
        context.exit(EXIT_SOME_FAILED)


def _check_source(
    context: click.Context, reference: tuple[Path, ...], dataset: str | None, task: str
) -> None:
    if dataset is None:
        _refuse(context, ("data_home",), "without --dataset")
        if not reference:
            raise click.UsageError("Missing argument 'REFERENCE...', or --dataset.")
    elif reference:
        raise click.UsageError("give either --dataset or REFERENCE")
    elif task != "tempo":
        _refuse(context, ("dataset",), f"with --task {task}")


def _read_dataset(name: str, data_home: Path | None, *, needs_audio: bool) -> StandardSet:
    from tempocli.evaluation.datasets import read_dataset

    found = read_dataset(name, data_home, needs_audio=needs_audio)
    if found.left_out:
        console.error(found.left_out)
    return found


def _source_tables(standard: StandardSet | None) -> list[Rows]:
    if standard is None:
        return []
    header = ("standard set", "version", "tempi from", "tracks")
    n_tracks = f"{len(standard.references)} of {standard.n_tracks}"
    return [[header, (standard.name, standard.version, standard.annotation, n_tracks)]]


def _read(tables: Sequence[Path], *, unique: bool) -> list[tuple[Reference, Path]]:
    """Read reference tables and find their audio files.

    With `unique`, raise DataError if a path means different files in two tables, since estimates are
    matched by path.
    """
    from tempocli.evaluation.annotations import read_references

    found: list[tuple[Reference, Path]] = []
    meant: dict[str, Path] = {}
    for table in tables:
        for row in read_references(table):
            path = table.parent / row.path
            if unique and meant.setdefault(row.path, path) != path:
                raise DataError(f"{table}: {row.path} is another file in {meant[row.path].parent}")
            found.append((row, path))
    return found


def _refuse(
    context: click.Context, names: Sequence[str], why: str = "with --estimates, which needs no model"
) -> None:
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} has no use {why}")


def _match(references: Sequence[Reference], path: Path) -> list[TrackEstimate]:
    from tempocli.evaluation.annotations import match_estimates, read_estimates

    tracks, n_unmatched = match_estimates(references, read_estimates(path))
    if n_unmatched == len(references):
        raise DataError(f"{path}: has estimates of none of the references; are the paths the same?")
    if n_unmatched:
        counted = f"{n_unmatched} of {len(references)} references"
        console.error(f"{path}: no estimate of {counted}: counted as missing")
    return tracks


def _collect(
    references: Sequence[Reference], results: Iterable[FileResult], save: Path | None
) -> tuple[list[TrackEstimate], int]:
    from tempocli.evaluation.annotations import TrackEstimate, format_estimates
    from tempocli.system.atomic_files import atomic_file

    tracks = []
    n_failed = 0
    # Open the file first: if that fails, no long run is lost.
    with atomic_file(str(save)) if save is not None else nullcontext() as file:
        for reference, result in zip(references, results, strict=True):
            if result.error is not None:
                n_failed += 1
                console.error(f"{result.path}: {result.error}")
            tracks.append(TrackEstimate.from_result(reference.path, result))
        if file is not None:
            file.write(encode(format_estimates(tracks)))
    return tracks, n_failed


def _document(report: Report, by: str | None, groups: dict[str, Report]) -> dict[str, Any]:
    document = asdict(report)
    if by is not None:
        document["by"] = {"column": by, "groups": {name: asdict(group) for name, group in groups.items()}}
    return document


def _tables(report: Report, by: str | None, groups: dict[str, Report]) -> list[Rows]:
    tables = [_score_rows(report), _share_rows(report)]
    if by is not None:
        tables.append(_group_rows(report, by, groups))
    return tables


def _score_rows(report: Report) -> Rows:
    n, n_estimated = report.n, report.n - report.n_missing
    entries: list[tuple[str, Score | None, int, int, str]] = [
        ("Accuracy 1, 4 %", report.accuracy1, n, 1, " %"),
        ("Accuracy 1, 2 %", report.accuracy1_2pct, n, 1, " %"),
        ("Accuracy 1, 1 %", report.accuracy1_1pct, n, 1, " %"),
        ("Accuracy 2, 4 %", report.accuracy2, n, 1, " %"),
        ("Accuracy 2, 2 %", report.accuracy2_2pct, n, 1, " %"),
        ("Accuracy 2, 1 %", report.accuracy2_1pct, n, 1, " %"),
        ("mean OE1", report.oe1, n_estimated, 3, " oct"),
        ("mean OE2", report.oe2, n_estimated, 3, " oct"),
        ("mean |OE1|", report.aoe1, n_estimated, 3, " oct"),
        ("mean |OE2|", report.aoe2, n_estimated, 3, " oct"),
        ("P-score, 8 %", report.p_score, report.n_two_tempi, 1, " %"),
        ("median error of steady tracks", report.steady_error_bpm, report.n_steady, 3, " BPM"),
        ("steady tracks said to be steady", report.flagged_steady, report.n_flagged, 1, " %"),
        ("within one standard error", report.within_one_error, report.n_standard_errors, 1, " %"),
        ("within two standard errors", report.within_two_errors, report.n_standard_errors, 1, " %"),
    ]
    rows: Rows = [("score", "value", "95 % interval", "tracks")]
    rows += [
        (name, *cells(score, decimals, unit), str(n_tracks))
        for name, score, n_tracks, decimals, unit in entries
        if score is not None
    ]
    for name, calibration in (
        ("calibration error", report.calibration),
        ("calibration error of the octave", report.octave_calibration),
    ):
        if calibration is not None:
            n_tracks = str(calibration.n)
            rows.append((name, *cells(calibration.ece, 3, ""), n_tracks))
            rows.append(("  by chance, on average", f"{calibration.by_chance:.3f}", "", n_tracks))
            rows.append(("  by chance, 90 % point", f"{calibration.by_chance_p90:.3f}", "", n_tracks))
    return rows


def _share_rows(report: Report) -> Rows:
    title = "estimate against reference"
    if report.tempo_range is not None:
        title += f", {report.tempo_range.min_bpm:g} to {report.tempo_range.max_bpm:g} BPM"
    rows: Rows = [(title, "share", "95 % interval")]
    shares = report.relations or report.outcomes or {}
    rows += [(name, *cells(score, 1, " %")) for name, score in shares.items()]
    return rows


def _group_rows(report: Report, by: str, groups: dict[str, Report]) -> Rows:
    titles = ("Accuracy 1",) if report.accuracy2 is None else ("Accuracy 1", "Accuracy 2")
    header = [cell for title in titles for cell in (title, "95 % interval")]
    rows: Rows = [(printable(by), "tracks", *header)]
    for name, group in [*groups.items(), ("all", report)]:
        scores = [score for score in (group.accuracy1, group.accuracy2) if score is not None]
        values = [cell for score in scores for cell in cells(score, 1, " %")]
        rows.append((printable(name) or "(empty)", str(group.n), *values))
    return rows
