"""``--engine ray``: check the options, run on a cluster, print the summary."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from tempocli.audio.files.entries import is_url
from tempocli.cli.tally import summary_lines
from tempocli.cli.terminal import console

if TYPE_CHECKING:
    from tempocli.batch.engines.ray import Work
    from tempocli.cli.inputs import Inputs
    from tempocli.inference.options import EstimatorOptions
    from tempocli.output.formats import Layout

_LINE_SECONDS = 30.0


def check(inputs: Inputs, format_name: str, output: str | None, *, others: bool, hashed: bool) -> None:
    """Raise click.UsageError for options that --engine ray does not support."""
    if output is None or format_name != "parquet":
        raise click.UsageError("--engine ray writes Parquet: give --output FOLDER and --format parquet.")
    if "-" in inputs.paths or inputs.files_from == "-":
        raise click.UsageError("--engine ray cannot read standard input.")
    if hashed:
        raise click.UsageError(
            "--engine ray has no use for --verify-hash: its --resume does not look for changed files."
        )
    if others:
        raise click.UsageError("--engine ray has no use for tags, --plot and --retry-failed.")


def check_unused(inputs: Inputs) -> None:
    """Raise click.UsageError for inputs that only --engine ray supports."""
    for path in inputs.paths:
        if "://" in path and not is_url(path) and not os.path.exists(path):
            raise click.UsageError(f"{path!r}: URLs need --engine ray, other than http:// and https://.")


def work(options: EstimatorOptions, layout: Layout, timeout: float, max_memory: int | None) -> Work:
    """Return the settings of the workers; see `tempocli.batch.engines.ray.Work`."""
    from tempocli.batch.engines.ray import Work

    return Work(options, layout, timeout, max_memory=max_memory)


def run(inputs: Inputs, output: str, work: Work, address: str | None, *, resume: bool, quiet: bool) -> int:
    """Estimate on a cluster, print a summary to stderr, and return the exit status."""
    from tempocli.batch.engines.ray import Job, estimate_on_ray

    job = Job(inputs.names(), output, work, inputs.selection, address, resume, part=inputs.part)
    try:
        summary = estimate_on_ray(job, done=None if quiet else _Lines())
    except KeyboardInterrupt:
        console.error(f"what is done is kept in {output}: the same command with --resume goes on")
        raise
    if not summary.n_done:
        console.error("there are no files")
    elif not quiet:
        for line in summary_lines(summary):
            console.error(line)
    return summary.exit_status()


class _Lines:
    """Prints the number of finished files at intervals."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._next = self._start + _LINE_SECONDS

    def __call__(self, n_done: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            console.error(f"{n_done:,} files, {n_done / (now - self._start):.1f}/s")
            self._next = now + _LINE_SECONDS
