"""``--engine ray``: what is asked of a cluster, and what is said at the end."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from tempocli.cli import console
from tempocli.cli.tally import EXIT_SOME_FAILED, doubtful, duration

if TYPE_CHECKING:
    from tempocli.cli.inputs import Inputs
    from tempocli.cluster import Outcome, Work
    from tempocli.schema import EstimatorOptions
    from tempocli.writers import Layout

_SHOWN_REASONS = 10
_LINE_SECONDS = 30.0


def check(inputs: Inputs, format_name: str, output: str | None, *, others: bool) -> None:
    """Raise click.UsageError for what a cluster does not do."""
    if output is None or format_name != "parquet":
        raise click.UsageError("--engine ray writes Parquet: give --output FOLDER and --format parquet.")
    if "-" in inputs.paths or inputs.files_from == "-":
        raise click.UsageError("--engine ray cannot read standard input.")
    if others:
        raise click.UsageError("--engine ray has no use for tags, --plot and --retry-failed.")


def check_unused(inputs: Inputs) -> None:
    """Raise click.UsageError for what only a cluster does."""
    for path in inputs.paths:
        if "://" in path and not os.path.exists(path):
            raise click.UsageError(f"{path!r}: URLs need --engine ray.")


def work(
    options: EstimatorOptions, layout: Layout, timeout: float, max_memory: int | None, *, hashed: bool
) -> Work:
    """Describe how files are estimated; see `tempocli.cluster.Work`."""
    from tempocli.cluster import Work

    return Work(options, layout, timeout, hashed, max_memory)


def run(inputs: Inputs, output: str, work: Work, address: str | None, *, resume: bool, quiet: bool) -> int:
    """Estimate on a cluster, summarise on stderr, and return the exit status."""
    from tempocli.cluster import Job, estimate_on_ray

    start = time.monotonic()
    job = Job(inputs.names(), output, work, inputs.selection, address, resume, part=inputs.part)
    try:
        outcome = estimate_on_ray(job, done=None if quiet else _Lines())
    except KeyboardInterrupt:
        console.error(f"what is done is kept in {output}: the same command with --resume goes on")
        raise
    n_new = outcome.n_results - outcome.n_earlier
    n_failed = outcome.reasons.total()
    if not outcome.n_results:
        console.error("there are no files")
        return 1
    if not quiet:
        _summarise(outcome, n_new, time.monotonic() - start)
    if n_failed == outcome.n_results:
        return 1
    return EXIT_SOME_FAILED if n_failed else 0


class _Lines:
    """Says now and then how many files are done."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._next = self._start + _LINE_SECONDS

    def __call__(self, n_done: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            console.error(f"{n_done:,} files, {n_done / (now - self._start):.1f}/s")
            self._next = now + _LINE_SECONDS


def _summarise(outcome: Outcome, n_new: int, seconds: float) -> None:
    earlier = f", {outcome.n_earlier:,} more done earlier" if outcome.n_earlier else ""
    failed = f", {outcome.reasons.total():,} failed" if outcome.reasons else ""
    files = "file" if n_new == 1 else "files"
    console.error(f"{n_new:,} {files}{earlier}{failed}, in {duration(seconds)}")
    for reason, count in outcome.reasons.most_common(_SHOWN_REASONS):
        console.error(f"  {count:,} failed: {reason}")
    if outcome.n_doubtful:
        console.error(doubtful(outcome.n_doubtful))
