"""``tempo references``: export the reference clips."""

from __future__ import annotations

from pathlib import Path

import click

from tempocli.cli import options
from tempocli.cli.terminal import console


@click.group("references")
def command() -> None:
    """Export the reference clips that 'tempo estimate --method compare' uses."""


@command.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--bpm",
    "tempi",
    type=click.FloatRange(options.MIN_BPM, options.MAX_BPM),
    multiple=True,
    metavar="BPM",
    help="Export only this tempo; repeatable.  [default: all tempi of the bank, 150 MB]",
)
@options.verbosity
def export(folder: Path, tempi: tuple[float, ...], verbose: bool, quiet: bool) -> None:
    """Write the reference clips to DIR as FLAC files named by pattern and tempo.

    Use DIR, or a folder with some of its files, with --references.
    """
    console.configure(verbose=verbose, quiet=quiet)
    from tempocli.audio import encode_flac
    from tempocli.inference.references.patterns import SAMPLE_RATE, SECONDS, bank, synthesise
    from tempocli.system.atomic_files import atomic_file

    folder.mkdir(parents=True, exist_ok=True)
    references = list(bank(tempi or None))
    shown = console.track(references, len(references)) if console.stderr_is_terminal() and not quiet else None
    for reference in shown or references:
        samples = synthesise(reference, sample_rate=SAMPLE_RATE, n_samples=round(SECONDS * SAMPLE_RATE))
        with atomic_file(str(folder / f"{reference.name}.flac")) as file:
            file.write(encode_flac(samples, sample_rate=SAMPLE_RATE))
