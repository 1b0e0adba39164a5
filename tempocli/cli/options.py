"""The options that commands share, each defined once."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tempocli import axis
from tempocli.schema import DEVICES, METHODS, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Function = TypeVar("Function", bound="Callable[..., Any]")

MIN_BPM, MAX_BPM = int(axis.MIN_BPM), int(axis.MAX_BPM)  # which --help shows without decimals


def model(function: Function) -> Function:
    """Add --model."""
    return click.option(
        "--model",
        metavar="NAME|PATH",
        show_default="that of the method",
        help="A name that 'tempo models' lists, or the path of an ONNX file; with both, the one that "
        "classifies.",
    )(function)


def method(function: Function) -> Function:
    """Add --method and --references; the command passes them on by `check_method`."""
    function = references(function)
    return click.option(
        "--method",
        type=click.Choice(METHODS),
        default=METHODS[0],
        show_default=True,
        help="Classify, compare with references of every tempo, or both together; periodicity is the "
        "baseline, without a network.",
    )(function)


def references(function: Function) -> Function:
    """Add --references."""
    return click.option(
        "--references",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        help="Compare with the audio files of DIR, whose names (98bpm.wav) or CSV (path,bpm) give the tempo.",
    )(function)


def check_method(method: str, model: str | None, references: str | None) -> None:
    """Refuse references that nothing is compared with, and a model for the method that has none."""
    if model is not None and method == "periodicity":
        raise click.UsageError("--method periodicity has no --model.")
    if references is not None and method not in {"compare", "both"}:
        raise click.UsageError("--references needs --method compare or both.")


def device(function: Function) -> Function:
    """Add --device."""
    return click.option(
        "--device",
        type=click.Choice(DEVICES),
        default=DEVICES[0],
        show_default=True,
        help="Where the model runs; auto takes the GPU if there is one.",
    )(function)


def tempo_range(function: Function) -> Function:
    """Add --min-bpm and --max-bpm; the command calls `check_tempo_range`."""
    bpm = click.FloatRange(MIN_BPM, MAX_BPM)
    for name, default, what in (("--max-bpm", MAX_BPM, "Highest"), ("--min-bpm", MIN_BPM, "Lowest")):
        function = click.option(
            name,
            type=bpm,
            metavar="BPM",
            default=default,
            show_default=True,
            help=f"{what} answer: a tempo outside the range is given as an octave inside, or not at all.",
        )(function)
    return function


def check_tempo_range(min_bpm: float, max_bpm: float) -> None:
    """Refuse a range that is empty."""
    # Put so that NaN, which passes FloatRange, is refused too.
    if not MIN_BPM <= min_bpm < max_bpm <= MAX_BPM:
        raise click.UsageError("--min-bpm must be less than --max-bpm.")


def check_overwrites(outputs: Iterable[str | None], inputs: Iterable[str | None]) -> None:
    """Refuse to write over what is read."""
    read = {os.path.realpath(path) for path in inputs if path is not None}
    for output in outputs:
        if output is not None and os.path.realpath(output) in read:
            raise click.UsageError(f"{output!r} is an input: it would be overwritten.")


def verbosity(function: Function) -> Function:
    """Add -v and -q; the command passes them to `console.configure`."""
    function = click.option(
        # Read first, so that the callbacks of other options know of it.
        "-q",
        "--quiet",
        is_flag=True,
        is_eager=True,
        help="No notes and no progress bar, errors only.",
    )(function)
    return click.option(
        "-v", "--verbose", is_flag=True, help="Say on stderr what is done and on which device; tracebacks."
    )(function)


@dataclass(frozen=True, slots=True)
class ResumeOptions:
    """How an output file is continued.

    Attributes
    ----------
    resume : bool
        Whether it is.
    verify_hash : bool
        Whether files are told apart by content.
    retry_failed : bool
        Whether inputs that failed are tried again.
    """

    resume: bool
    verify_hash: bool
    retry_failed: bool


@dataclass(frozen=True, slots=True)
class TagOptions:
    """What to do about the tags of files.

    Attributes
    ----------
    write_tags : bool
        Whether estimates are written into their files.
    overwrite : bool
        Whether another tempo that is there already is replaced unasked.
    dry_run : bool
        Whether it is only said what would be written.
    min_confidence : float
        Estimates with less are not written.
    skip_tagged : bool
        Whether files that say their tempo already are left alone.
    """

    write_tags: bool
    overwrite: bool
    dry_run: bool
    min_confidence: float
    skip_tagged: bool


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where the work is done.

    Attributes
    ----------
    engine : str
        ``"local"`` or ``"ray"``.
    ray_address : str or None
        Of a running Ray cluster.
    """

    engine: str
    ray_address: str | None


_NUMBER = re.compile(r"\d{1,9}(\.\d*)?|\.\d+", re.ASCII)


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a time: 90, 90.5, 1:30 or 1:01:30."""
    if value is None:
        return None
    seconds = 0.0
    parts = value.strip().split(":")
    for place, part in enumerate(parts):
        if len(parts) > 3 or not _NUMBER.fullmatch(part) or (place and float(part) >= 60.0):
            reason = f"{value!r} is no time: give seconds, such as 90 or 90.5, or 1:30."
            raise click.BadParameter(reason, context, parameter)
        seconds = 60.0 * seconds + float(part)
    return seconds


@dataclass(frozen=True, slots=True)
class PartOptions:
    """Which part of each input is wanted.

    Attributes
    ----------
    start : float
        Where it begins, in seconds.
    duration : float or None
        Its length in seconds; ``None`` for all up to the end.
    """

    start: float
    duration: float | None

    def of_files(self) -> Part | None:
        """Make the part; ``None`` for whole files.

        Raises
        ------
        click.UsageError
            If there is no such part.
        """
        try:
            return Part.of(self.start, self.duration)
        except ValueError as error:
            raise click.UsageError(f"--start, --duration: {error}.") from None


def part(function: Function) -> Function:
    """Add --start and --duration, as one argument `part`."""
    return _grouped(
        "part",
        PartOptions,
        function,
        click.option(
            "--start",
            callback=_seconds,
            metavar="SECONDS",
            default="0",
            help="Where in each input to begin; 90 is the same as 1:30.",
        ),
        click.option(
            "--duration", callback=_seconds, metavar="SECONDS", help="How much of each input to hear."
        ),
    )


def engine(function: Function) -> Function:
    """Add --engine and --ray-address, as one argument `engine`."""
    return _grouped(
        "engine",
        EngineOptions,
        function,
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Work on this machine, or by Ray on a cluster (extra 'ray'); see docs/scale.md.",
        ),
        click.option(
            "--ray-address", metavar="ADDR", help="A running Ray cluster; without it Ray starts here."
        ),
    )


def resuming(function: Function) -> Function:
    """Add --resume and what belongs to it, as one argument `resuming`."""
    return _grouped(
        "resuming",
        ResumeOptions,
        function,
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with an interrupted --output, or add to a whole one (csv, jsonl, parquet).",
        ),
        click.option(
            "--verify-hash",
            is_flag=True,
            help="Let --resume tell changed files by content, not by size and time.",
        ),
        click.option("--retry-failed", is_flag=True, help="Let --resume try files again that have failed."),
    )


def tagging(function: Function) -> Function:
    """Add --write-tags and what belongs to it, as one argument `tagging`."""
    return _grouped(
        "tagging",
        TagOptions,
        function,
        click.option(
            "--write-tags", is_flag=True, help="Write the tempo into the tags of the files (extra 'tags')."
        ),
        click.option(
            "--overwrite", is_flag=True, help="Replace other tempi in tags without asking for each of them."
        ),
        click.option("--dry-run", is_flag=True, help="Only say which tags would be written."),
        click.option(
            "--min-confidence",
            type=click.FloatRange(0, 1),
            metavar="P",
            default=0.5,
            show_default=True,
            help="Write no tag when the confidence is less.",
        ),
        click.option(
            "--skip-tagged", is_flag=True, help="Leave out files whose tags say their tempo (extra 'tags')."
        ),
    )


def _grouped(name: str, kind: type, function: Function, *added: Callable[[Any], Any]) -> Function:
    """Add options to a command that gets them as one dataclass `kind`, whose fields have their names."""

    @wraps(function)
    def wrapper(**given: Any) -> Any:
        values = {field.name: given.pop(field.name) for field in fields(kind)}
        return function(**given, **{name: kind(**values)})

    for decorate in reversed(added):
        wrapper = decorate(wrapper)
    return wrapper  # type: ignore[return-value]
