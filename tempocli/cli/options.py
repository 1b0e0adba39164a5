"""The options that commands share, each defined once."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tempocli import axis
from tempocli.cli.config.profiles import ProfileType
from tempocli.cli.usage import completion
from tempocli.inference.options import DEVICES, METHODS
from tempocli.schema import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Function = TypeVar("Function", bound="Callable[..., Any]")

MIN_BPM, MAX_BPM = int(axis.MIN_BPM), int(axis.MAX_BPM)  # integers, so that --help shows no decimals


def model(function: Function) -> Function:
    """Add --model."""
    return click.option(
        "--model",
        shell_complete=completion.models(),
        metavar="NAME|PATH",
        show_default="depends on --method",
        help="Model name (see 'tempo models') or path of an ONNX file; for --method both, the classifier.",
    )(function)


def embedding_model(function: Function) -> Function:
    """Add --model of an embedding."""
    return click.option(
        "--model",
        shell_complete=completion.models("embed"),
        metavar="NAME|PATH",
        show_default="music",
        help="Model name (see 'tempo models') or path of an ONNX file.",
    )(function)


def method(function: Function) -> Function:
    """Add --method and --references; the command validates them with `check_method`."""
    function = references(function)
    return click.option(
        "--method",
        type=click.Choice(METHODS),
        default=METHODS[0],
        show_default=True,
        help="classify: a classifier; compare: comparison with reference clips; both: the two combined; "
        "periodicity: baseline without a network.",
    )(function)


def references(function: Function) -> Function:
    """Add --references."""
    return click.option(
        "--references",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        help="Compare with the audio files in DIR; tempi from file names (98bpm.wav) or a CSV (path,bpm).",
    )(function)


def check_method(method: str, model: str | None, references: str | None) -> None:
    """Raise click.UsageError for --references or --model with a method that does not use them."""
    if model is not None and method == "periodicity":
        raise click.UsageError("--method periodicity has no --model.")
    if references is not None and method not in {"compare", "both"}:
        raise click.UsageError("--references needs --method compare or both.")


def profile(function: Function) -> Function:
    """Add --profile."""
    return click.option(
        "--profile",
        type=ProfileType(),
        metavar="NAME|FILE",
        help="Count as you do: a profile that 'tempo learn' made, by its name or its file.",
    )(function)


def device(function: Function) -> Function:
    """Add --device."""
    return click.option(
        "--device",
        type=click.Choice(DEVICES),
        default=DEVICES[0],
        show_default=True,
        help="Device to run the model on; auto uses a GPU if available.",
    )(function)


def tempo_range(function: Function) -> Function:
    """Add --min-bpm and --max-bpm; the command validates them with `check_tempo_range`."""
    bpm = click.FloatRange(MIN_BPM, MAX_BPM)
    for name, default, what in (("--max-bpm", MAX_BPM, "Maximum"), ("--min-bpm", MIN_BPM, "Minimum")):
        function = click.option(
            name,
            type=bpm,
            metavar="BPM",
            default=default,
            show_default=True,
            help=f"{what} tempo; a tempo outside the range is moved by octaves into it, or not reported.",
        )(function)
    return function


def check_tempo_range(min_bpm: float, max_bpm: float) -> None:
    """Raise click.UsageError if the range is empty."""
    # Written as a negation so that NaN, which passes FloatRange, is rejected too.
    if not MIN_BPM <= min_bpm < max_bpm <= MAX_BPM:
        raise click.UsageError("--min-bpm must be less than --max-bpm.")


def check_overwrites(outputs: Iterable[str | None], inputs: Iterable[str | None]) -> None:
    """Raise click.UsageError if an output would overwrite an input."""
    read = {os.path.realpath(path) for path in inputs if path is not None}
    for output in outputs:
        if output is not None and os.path.realpath(output) in read:
            raise click.UsageError(f"{output!r} is an input: it would be overwritten.")


def verbosity(function: Function) -> Function:
    """Add -v and -q; the command passes them to `console.configure`."""
    function = click.option(
        # Eager, so that the callbacks of other options can read it.
        "-q",
        "--quiet",
        is_flag=True,
        is_eager=True,
        help="Show errors only: no notes, no progress bar.",
    )(function)
    return click.option(
        "-v", "--verbose", is_flag=True, help="Log steps and the device to stderr; show tracebacks."
    )(function)


@dataclass(frozen=True, slots=True)
class ResumeOptions:
    """How to resume an output file.

    Attributes
    ----------
    resume : bool
        Whether to resume.
    verify_hash : bool
        Whether to detect changed files by their content.
    retry_failed : bool
        Whether to retry inputs that failed.
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
        Whether to write estimates into the tags of their files.
    overwrite : bool
        Whether to replace an existing, different tempo without asking.
    dry_run : bool
        Whether to report only which tags would be written.
    min_confidence : float
        Minimum confidence of an estimate that is written, from 0 to 1.
    tag_decimals : int or None
        Maximum number of decimals in a tag; ``None`` for what is usual in each kind of file.
    skip_tagged : bool
        Whether to skip files that already have a tempo tag.
    """

    write_tags: bool
    overwrite: bool
    dry_run: bool
    min_confidence: float
    tag_decimals: int | None
    skip_tagged: bool


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where to process the files.

    Attributes
    ----------
    engine : str
        ``"local"`` or ``"ray"``.
    ray_address : str or None
        Address of a running Ray cluster; ``None`` to start Ray on this machine.
    """

    engine: str
    ray_address: str | None


_NUMBER = re.compile(r"\d{1,9}(\.\d*)?|\.\d+", re.ASCII)


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Parse a time such as 90, 90.5, 1:30 or 1:01:30, in seconds."""
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
    """The part of each input to read.

    Attributes
    ----------
    start : float
        Start time in seconds.
    duration : float or None
        Duration in seconds; ``None`` for up to the end.
    """

    start: float
    duration: float | None

    def of_files(self) -> Part | None:
        """Return the part, or ``None`` for whole files.

        Raises
        ------
        click.UsageError
            If the start or the duration is invalid.
        """
        try:
            return Part.of(self.start, self.duration)
        except ValueError as error:
            raise click.UsageError(f"--start, --duration: {error}.") from None


def part(function: Function) -> Function:
    """Add --start and --duration, grouped into one argument `part`."""
    return grouped(
        "part",
        PartOptions,
        function,
        click.option(
            "--start",
            callback=_seconds,
            metavar="SECONDS",
            default="0",
            help="Start at this time of each input, such as 90 or 1:30.",
        ),
        click.option(
            "--duration", callback=_seconds, metavar="SECONDS", help="Read only this much of each input."
        ),
    )


def engine(function: Function) -> Function:
    """Add --engine and --ray-address, grouped into one argument `engine`."""
    return grouped(
        "engine",
        EngineOptions,
        function,
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Run on this machine, or on a Ray cluster (requires extra 'ray'); see docs/scale.md.",
        ),
        click.option(
            "--ray-address",
            metavar="ADDR",
            help="Address of a running Ray cluster.  [default: start Ray on this machine]",
        ),
    )


def resuming(function: Function, *, formats: str = "csv, jsonl, parquet") -> Function:
    """Add --resume and its related options, grouped into one argument `resuming`."""
    return grouped(
        "resuming",
        ResumeOptions,
        function,
        click.option(
            "--resume",
            is_flag=True,
            help=f"Resume an interrupted run, or add to a finished --output ({formats}).",
        ),
        click.option(
            "--verify-hash",
            is_flag=True,
            help="Detect changed files by content instead of size and time (for --resume).",
        ),
        click.option("--retry-failed", is_flag=True, help="With --resume, retry files that failed."),
    )


def tagging(function: Function) -> Function:
    """Add --write-tags and its related options, grouped into one argument `tagging`."""
    return grouped(
        "tagging",
        TagOptions,
        function,
        click.option(
            "--write-tags",
            is_flag=True,
            help="Write the tempo to the tags of the files (requires extra 'tags').",
        ),
        click.option(
            "--overwrite", is_flag=True, help="With --write-tags, replace existing tempi without asking."
        ),
        click.option("--dry-run", is_flag=True, help="With --write-tags, show the changes without writing."),
        click.option(
            "--min-confidence",
            type=click.FloatRange(0, 1),
            metavar="P",
            default=0.5,
            show_default=True,
            help="Write a tag only if the confidence is at least P.",
        ),
        click.option(
            "--tag-decimals",
            type=click.IntRange(0, 6),
            metavar="N",
            help="With --write-tags, decimals of a tempo; none in MP4.  [default: 0 in ID3, else 2]",
        ),
        click.option(
            "--skip-tagged", is_flag=True, help="Skip files that have a tempo tag (requires extra 'tags')."
        ),
    )


def grouped(name: str, kind: type, function: Function, *added: Callable[[Any], Any]) -> Function:
    """Add options to a command, passed as one dataclass `kind` whose fields have the options' names."""

    @wraps(function)
    def wrapper(**given: Any) -> Any:
        values = {field.name: given.pop(field.name) for field in fields(kind)}
        return function(**given, **{name: kind(**values)})

    for decorate in reversed(added):
        wrapper = decorate(wrapper)
    return wrapper  # type: ignore[return-value]
