"""``--write-tags`` and ``--skip-tagged``: prompts, messages and counts; `TagWorker` reads and writes tags."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tempocli.audio.tags import is_same
from tempocli.cli.terminal import console
from tempocli.cli.terminal.words import input_name
from tempocli.errors import TagError
from tempocli.system.fingerprints import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.batch.engines.output import Sink
    from tempocli.batch.engines.summary import BatchSummary
    from tempocli.batch.tag_worker import TagWorker
    from tempocli.cli.options import TagOptions
    from tempocli.schema import AudioInput, FileResult


def may_ask(options: TagOptions) -> bool:
    """Return whether to ask before replacing a tempo: on a terminal, without --overwrite and --dry-run."""
    is_there = sys.stdin is not None and sys.stdin.isatty() and console.stderr_is_terminal()
    return is_there and not options.overwrite and not options.dry_run


def untagged(inputs: Iterable[AudioInput], summary: BatchSummary, worker: TagWorker) -> Iterator[AudioInput]:
    """Yield the files without a tempo tag or with unreadable tags, and parts of files; count the others."""
    for each in inputs:
        # The tag of a file may not apply to a part of it.
        is_whole = each.path != "-" and each.part is None and each.refusal is None
        try:
            is_tagged = is_whole and worker.read_tempo(each.path) is not None
        except TagError:
            is_tagged = False
        if is_tagged:
            summary.n_skipped += 1
        else:
            yield each


class Tagging:
    """A sink that writes estimates into the tags of their files before it passes them on.

    Parameters
    ----------
    sink : Sink
        Receives the results, with the fingerprints of the files after tagging.
    options : TagOptions
        What to do about tags.
    summary : BatchSummary
        Counts the tags written and the failures.
    worker : TagWorker
        Reads and writes the tags.
    hashed : bool
        Whether fingerprints contain a checksum of the content.
    """

    def __init__(
        self, sink: Sink, options: TagOptions, summary: BatchSummary, worker: TagWorker, *, hashed: bool
    ) -> None:
        self._sink = sink
        self._options = options
        self._summary = summary
        self._worker = worker
        self._hashed = hashed

    def write(self, results: Iterable[FileResult]) -> None:
        """Write the tags, then pass the results on."""
        self._sink.write(map(self._tagged, results))

    def _tagged(self, result: FileResult) -> FileResult:
        estimate = result.estimate
        if estimate is None or estimate.bpm is None or estimate.confidence < self._options.min_confidence:
            return result
        if result.part is not None:
            self._summary.n_untagged += 1
            name = input_name(result.path, result.part)
            console.error(f"{name}: tag not written: a part's tempo is not the file's")
            return result
        try:
            written = self._tag(result.path, estimate.bpm)
        except TagError as error:
            self._summary.n_untagged += 1
            console.error(f"{result.path}: tag not written: {error.reason}")
            return result
        return (
            replace(result, fingerprint=fingerprint_of(result.path, hashed=self._hashed))
            if written
            else result
        )

    def _tag(self, path: str, bpm: float) -> bool:
        old = self._worker.read_tempo(path)
        new = self._worker.tag_text(path, bpm)
        if old is not None and is_same(old, bpm):
            return False
        if self._options.dry_run:
            console.error(f"{path}: tag {_shown(old)} -> {new}")
            return False
        if old is not None and not self._may_replace(path, old, new):
            return False
        self._worker.write_tempo(path, bpm)
        self._summary.n_tagged += 1
        return True

    def _may_replace(self, path: str, old: str, new: str) -> bool:
        if self._options.overwrite:
            return True
        if not may_ask(self._options):
            console.error(f"{path}: tag says {old}, not {new}; --overwrite replaces it")
            return False
        return click.confirm(console.one_line(f"{path}: replace the tag {old} by {new}?"), err=True)


def _shown(old: str | None) -> str:
    return "none" if old is None else old
