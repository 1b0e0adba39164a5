"""``tempo review``: a page to hear doubtful tracks and correct their tempi."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tempocli.cli import limits, options
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion

if TYPE_CHECKING:
    from tempocli.cli.review.tagging import Tagger
    from tempocli.output.review import CorrectionLog

_EXAMPLES = """\b
Examples:
  tempo estimate ~/Music -o tempi.jsonl          first, estimate
  tempo review tempi.jsonl                       open the address that it prints in a browser
  tempo review tempi.jsonl --open                open it at once
  tempo review tempi.jsonl --write-tags          also write what you correct and accept into tags
  tempo review tempi.csv -o mine.csv             another file of corrections

The page shows its keys. Every correction is on the disk at once. Ctrl-C ends the review; the
next one goes on with the same corrections.
Exit status: 0 success, 1 error, 2 usage error.
"""


@click.command("review", epilog=_EXAMPLES)
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completion.files,
    help="File of corrections (CSV), to make or to add to.  [default: RESULTS with .corrections.csv]",
)
@click.option("--write-tags", is_flag=True, help="Also write corrected and accepted tempi into tags.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser of this system.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port to listen on, on this machine only.  [default: any that is free]",
)
@limits.max_memory
@options.device
@options.verbosity
def command(
    results: Path,
    output: str | None,
    write_tags: bool,
    opens: bool,
    port: int,
    max_memory: int | None,
    device: str,
    verbose: bool,
    quiet: bool,
) -> None:
    """Hear the tracks of a result file, the most doubtful first, and correct them by single keys.

    RESULTS is a file that 'tempo estimate -o' wrote: .csv, .tsv, .json, .jsonl or .parquet.
    """
    console.configure(verbose=verbose, quiet=quiet)
    output = output or f"{results.with_suffix('')}.corrections.csv"
    options.check_overwrites((output,), (str(results),))
    from tempocli.output.review import CorrectionLog, read_queue

    tracks = read_queue(results)
    with ExitStack() as stack:
        log = stack.enter_context(CorrectionLog(output))
        tagger = None
        if write_tags:
            from tempocli.cli.review.tagging import Tagger

            tagger = Tagger(max_memory=max_memory)
            stack.callback(tagger.close)
        from tempocli.cli.review.folders import preview_folder
        from tempocli.cli.review.previews import Previews
        from tempocli.cli.review.server import ReviewServer
        from tempocli.cli.review.session import ReviewSession
        from tempocli.embedding.segmentation.segmenter import Segmenter

        folder = stack.enter_context(preview_folder())
        previews = Previews(Segmenter(device=device), folder, max_memory=max_memory)
        stack.callback(previews.close)
        session = ReviewSession(os.fspath(results), tracks, log, previews, tagger)
        with ReviewServer(session, port) as server:
            console.write(f"{server.url}\n".encode())
            console.flush()
            if opens:
                click.launch(server.url)
            if not quiet:
                console.error(f"{len(tracks):,} tracks; corrections go to {output}; Ctrl-C ends")
            # Ctrl-C is the way to end it.
            with suppress(KeyboardInterrupt):
                server.serve_forever(poll_interval=0.2)
        stack.pop_all().close()
        _summarise(log, tagger, quiet=quiet)


def _summarise(log: CorrectionLog, tagger: Tagger | None, *, quiet: bool) -> None:
    for note in [] if tagger is None else tagger.notes:
        console.error(note)
    if quiet:
        return
    counts = log.counts()
    parts = [f"{counts['correct']:,} corrected", f"{counts['accept']:,} accepted"]
    if tagger is not None:
        parts.append(f"{tagger.n_written:,} tags written")
    console.error(f"{log.path}: {', '.join(parts)}")
