"""The options that commands share, each defined once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

MIN_BPM, MAX_BPM = 30, 300
# Every file under way holds a decoder and its buffers; more threads than this are for the user to ask for.
_MAX_DEFAULT_JOBS = 4


def default_jobs() -> int:
    """Count the cores that this process may use, up to the number from which more do not help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MAX_DEFAULT_JOBS)


def model(function: Function) -> Function:
    """Add --model."""
    return click.option(
        "--model",
        metavar="NAME|PATH",
        show_default="that of the method",
        help="Model: a name that 'tempo models' lists, or the path of an ONNX file.",
    )(function)


def method(function: Function) -> Function:
    """Add --method and --references; the command passes them on by `check_references`."""
    function = references(function)
    return click.option(
        "--method",
        type=click.Choice(["classify", "compare", "both"]),
        default="classify",
        show_default=True,
        help="Classify; compare with references of every tempo, which took no label at all; or both.",
    )(function)


def references(function: Function) -> Function:
    """Add --references."""
    return click.option(
        "--references",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False),
        help="Compare with the audio files of DIR, whose names (98bpm.wav) or CSV (path,bpm) give the tempo.",
    )(function)


def check_references(method: str, references: str | None) -> None:
    """Refuse references that nothing is compared with."""
    if references is not None and method == "classify":
        raise click.UsageError("--references needs --method compare or both.")


def device(function: Function) -> Function:
    """Add --device."""
    return click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where the model runs; auto takes the GPU if there is one.",
    )(function)


def jobs(function: Function) -> Function:
    """Add --jobs."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        default=default_jobs,
        show_default=f"the cores, at most {_MAX_DEFAULT_JOBS}",
        help="Files to work on at a time.",
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
            help=f"{what} tempo to search for.",
        )(function)
    return function


def check_tempo_range(min_bpm: float, max_bpm: float) -> None:
    """Refuse a range that is empty."""
    # Put so that NaN, which passes FloatRange, is refused too.
    if not MIN_BPM <= min_bpm < max_bpm <= MAX_BPM:
        raise click.UsageError("--min-bpm must be less than --max-bpm.")


def verbosity(function: Function) -> Function:
    """Add -v and -q; the command passes them to `console.configure`."""
    function = click.option("-q", "--quiet", is_flag=True, help="No notes and no progress bar, errors only.")(
        function
    )
    return click.option(
        "-v", "--verbose", is_flag=True, help="Say on stderr what is done and on which device; tracebacks."
    )(function)
