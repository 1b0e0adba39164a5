"""``tempo learn``: a profile of how a person counts, from corrected tracks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.batch.engines.local import TIMEOUT
from tempocli.batch.engines.summary import EXIT_SOME_FAILED, BatchSummary
from tempocli.cli import limits, options
from tempocli.cli.config.profiles import profile_names
from tempocli.cli.config.settings import is_given
from tempocli.cli.terminal import console, progress
from tempocli.cli.terminal.interrupts import stopping
from tempocli.cli.terminal.words import input_name
from tempocli.cli.usage import completion
from tempocli.errors import DataError
from tempocli.inference.options import EstimatorOptions
from tempocli.output.formats.layout import encode, printable

if TYPE_CHECKING:
    from tempocli.decoding.profiles.learning import Evidence
    from tempocli.estimator import Estimator
    from tempocli.schema import AudioInput

_EXAMPLES = """\b
Examples:
  tempo review tempi.jsonl                                correct some twenty tracks
  tempo learn tempi.corrections.csv -o my.profile         learn from them
  tempo learn tempi.corrections.csv --name mine           the same, kept by a name
  tempo learn *.corrections.csv --name mine               from several reviews
  tempo estimate ~/Music -o new.jsonl --profile mine      count as you do

What was learned is written to stdout, in words.
Exit status: 0 success, 1 error, 2 usage error, 3 some tracks could not be read, 130 interrupted.
"""


@click.command("learn", epilog=_EXAMPLES)
@click.argument(
    "corrections", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=completion.files, help="Write the profile to FILE."
)
@click.option(
    "--name",
    metavar="NAME",
    shell_complete=profile_names,
    help="Keep the profile by a name, in your configuration folder.",
)
@options.method
@options.model
@options.device
@limits.jobs
@limits.max_memory
@options.verbosity
def command(
    corrections: tuple[Path, ...],
    output: str | None,
    name: str | None,
    method: str,
    references: str | None,
    model: str | None,
    device: str,
    jobs: int,
    max_memory: int | None,
    verbose: bool,
    quiet: bool,
) -> None:
    """Learn how you count from the tracks that you corrected or accepted.

    CORRECTIONS are files that 'tempo review' writes, or any CSV with the columns path and bpm; for a track in
    several of them, the last one counts. The tracks are heard again. Use the profile with --profile, and
    with the same model.
    """
    console.configure(verbose=verbose, quiet=quiet)
    options.check_method(method, model, references)
    if output is not None and not is_given("name"):
        name = None  # a default of the user's own
    if (output is None) == (name is None):
        raise click.UsageError("Give --output FILE or --name NAME.")
    from tempocli.decoding.profiles.files import path_of
    from tempocli.output.review import read_corrections

    names = ", ".join(map(str, corrections))
    target = Path(output) if output is not None else path_of(str(name))
    options.check_overwrites((str(target),), map(str, corrections))
    tracks = list(
        {track.key: (track, bpm) for path in corrections for track, bpm in read_corrections(path)}.values()
    )
    if not tracks:
        raise DataError(f"{names}: no tempi to learn from")
    from tempocli.decoding.profiles.learning import learn
    from tempocli.estimator import Estimator

    estimator = Estimator.from_options(EstimatorOptions(model, method, references, device))
    heard = _hear(tracks, estimator, jobs, max_memory, quiet=quiet)
    if not heard:
        raise DataError(f"{names}: none of the tracks can be learned from")
    learned = learn([each for each, _ in heard], [bpm for _, bpm in heard], estimator.spec)
    if name is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    learned.profile.save(target)
    console.write(encode("".join(f"{printable(each)}\n" for each in learned.profile.words)))
    if not quiet:
        n_heard = len(heard)
        after = (
            ""
            if learned.profile.changes_nothing
            else (f", {learned.n_right_after} with what the other tracks say")
        )
        console.error(f"{learned.n_right_before} of {n_heard} tracks right without a profile{after}")
        console.error(f"{target}: profile {learned.profile.digest}, of {n_heard} tracks")
    click.get_current_context().exit(EXIT_SOME_FAILED if len(heard) < len(tracks) else 0)


def _hear(
    tracks: list[tuple[AudioInput, float]],
    estimator: Estimator,
    jobs: int,
    max_memory: int | None,
    *,
    quiet: bool,
) -> list[tuple[Evidence, float]]:
    """Return the evidence and the tempo of each track that can be used; say why others cannot."""
    from tempocli.batch import process_files
    from tempocli.decoding.profiles.collecting import EvidenceCollector

    heard = []
    summary = BatchSummary()
    with stopping(quiet=quiet) as stop:
        results = process_files(
            EvidenceCollector(estimator),
            [track for track, _ in tracks],
            jobs=jobs,
            timeout=TIMEOUT,
            max_memory=max_memory,
            stop=stop,
        )
        if not quiet:
            results = progress.shown(results, summary, len(tracks), bar=console.stderr_is_terminal())
        for result, (track, bpm) in zip(results, tracks, strict=False):
            summary.add(result)
            reason = result.error
            if reason is None and not MIN_BPM <= bpm <= MAX_BPM:
                reason = f"{bpm:g} BPM is not within {MIN_BPM:g} to {MAX_BPM:g}"
            if reason is None and result.evidence is None:
                reason = None if result.estimate is None else result.estimate.reason
            if result.evidence is not None and reason is None:
                heard.append((result.evidence, bpm))
            else:
                console.error(f"{input_name(track.path, track.part)}: left out: {reason}")
        if stop.is_set():
            raise KeyboardInterrupt
    return heard
