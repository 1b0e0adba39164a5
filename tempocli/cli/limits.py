"""The options that limit the CPU and memory of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from tempocli.batch.cores import default_jobs, most_jobs
from tempocli.cli.sizes import read_size, shown
from tempocli.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

_MIN_MEMORY = 100_000_000  # bytes; about the maximum for ordinary files


def jobs(function: Function) -> Function:
    """Add --jobs."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        default=default_jobs,
        show_default="number of cores",
        callback=sensible_jobs,
        help="Process N files in parallel, each on one core.",
    )(function)


def sensible_jobs(context: click.Context, parameter: click.Parameter, jobs: int) -> int:
    """Limit the number of jobs to what this machine can use, with a note on stderr; a click callback."""
    most = most_jobs()
    if jobs <= most:
        return jobs
    if not context.params.get("quiet"):
        cores = default_jobs()
        plural = "s" * (cores != 1)
        console.error(f"--jobs {jobs}: {most} are started, more would be no faster on {cores} core{plural}")
    return most


def max_memory(function: Function) -> Function:
    """Add --max-memory, in bytes; ``None`` means no limit."""
    return click.option(
        "--max-memory",
        metavar="SIZE",
        default="1GB",
        show_default=True,
        callback=_bytes,
        help="Abort a file that uses more memory than SIZE, such as 500MB; none for no limit. Linux only.",
    )(function)


def max_download(function: Function) -> Function:
    """Add --max-download, in bytes."""
    return click.option(
        "--max-download",
        type=read_size,
        metavar="SIZE",
        default="1GB",
        show_default=True,
        help="Stop with an error if a file behind a URL is larger than SIZE (requires extra 'http').",
    )(function)


def _bytes(context: click.Context, parameter: click.Parameter, text: str) -> int | None:
    if text.lower() == "none":
        return None
    size = read_size(text)
    if size < _MIN_MEMORY:
        raise click.BadParameter(f"{text!r} is too little: an ordinary file may take {shown(_MIN_MEMORY)}.")
    return size
