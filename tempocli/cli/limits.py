"""The options that bound what a run may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from tempocli.batch.cores import default_jobs, most_jobs
from tempocli.cli.sizes import read_size, shown
from tempocli.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

_MIN_MEMORY = 100_000_000  # ordinary files take up to about as much


def jobs(function: Function) -> Function:
    """Add --jobs."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        default=default_jobs,
        show_default="the cores",
        callback=sensible_jobs,
        help="Files to work on at a time, each on one core.",
    )(function)


def sensible_jobs(context: click.Context, parameter: click.Parameter, jobs: int) -> int:
    """Take no more jobs than make sense on this machine, and say so; a callback of click."""
    most = most_jobs()
    if jobs <= most:
        return jobs
    if not context.params.get("quiet"):
        cores = default_jobs()
        plural = "s" * (cores != 1)
        console.error(f"--jobs {jobs}: {most} are started, more would be no faster on {cores} core{plural}")
    return most


def max_memory(function: Function) -> Function:
    """Add --max-memory, in bytes; ``None`` is no limit."""
    return click.option(
        "--max-memory",
        metavar="SIZE",
        default="1GB",
        show_default=True,
        callback=_bytes,
        help="Give up a file that takes more memory, such as 500MB or 2GB; none sets no limit. Linux only.",
    )(function)


def _bytes(context: click.Context, parameter: click.Parameter, text: str) -> int | None:
    if text.lower() == "none":
        return None
    size = read_size(text)
    if size < _MIN_MEMORY:
        raise click.BadParameter(f"{text!r} is too little: an ordinary file may take {shown(_MIN_MEMORY)}.")
    return size
