"""``--write-tags`` and ``--skip-tagged``: prompts, messages and counts; `TagWorker` reads and writes tags."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tempocli.audio.files.entries import is_url
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


_SHOWN_REASONS = 5
_MAX_REASONS = 1000  # counted separately


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


class TagReport:
    """Counts what became of the tags, and says it: of each file if asked to, and once for all of them.

    Parameters
    ----------
    options : TagOptions
        What was to be done about tags.
    each : bool
        Whether to say of each file what became of its tag, also where no note is due.
    """

    def __init__(self, options: TagOptions, *, each: bool) -> None:
        self._dry_run = options.dry_run
        self._each = each
        self._n_written = 0
        self._reasons: Counter[str] = Counter()

    def written(self, name: str, old: str | None, new: str) -> None:
        """Count a tag that was written, or would be."""
        self._n_written += 1
        if self._dry_run:
            console.error(f"{name}: tag {_shown(old)} -> {new}")
        elif self._each:
            console.error(f"{name}: tag written: {new}{'' if old is None else f', was {old}'}")

    def kept(self, name: str, kind: str, *, why: str | None = None, note: str | None = None) -> None:
        """Count a tag that was not written.

        Parameters
        ----------
        name : str
            The input.
        kind : str
            The reason to count it under.
        why : str, optional
            The reason as it applies to this file; by default `kind`.
        note : str, optional
            A line of its own about the file, which is always due.
        """
        self.count(kind)
        if note is not None:
            console.error(f"{name}: {note}")
        elif self._each:
            console.error(f"{name}: tag not written: {why or kind}")

    def count(self, kind: str) -> None:
        """Count a tag that was not written, and say no more."""
        known = kind in self._reasons or len(self._reasons) < _MAX_REASONS
        self._reasons[kind if known else "for other reasons"] += 1

    def summary(self) -> str:
        """Return one line: how many tags were written, and how many were not, by reason."""
        line = f"tags: {self._n_written:,} {'would be written' if self._dry_run else 'written'}"
        n_kept = self._reasons.total()
        if n_kept:
            shown = self._reasons.most_common(_SHOWN_REASONS)
            reasons = [f"{count:,} {reason}" for reason, count in shown]
            n_other = n_kept - sum(count for _, count in shown)
            reasons += [f"{n_other:,} for other reasons"] if n_other else []
            line += f"; {n_kept:,} not written ({'; '.join(reasons)})"
        return line


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
    report : TagReport
        Says what became of the tags.
    hashed : bool
        Whether fingerprints contain a checksum of the content.
    """

    def __init__(
        self,
        sink: Sink,
        options: TagOptions,
        summary: BatchSummary,
        worker: TagWorker,
        report: TagReport,
        *,
        hashed: bool,
    ) -> None:
        self._sink = sink
        self._options = options
        self._summary = summary
        self._worker = worker
        self._report = report
        self._hashed = hashed

    def write(self, results: Iterable[FileResult]) -> None:
        """Write the tags, then pass the results on."""
        self._sink.write(map(self._tagged, results))

    def _tagged(self, result: FileResult) -> FileResult:
        name = input_name(result.path, result.part)
        least = self._options.min_confidence
        estimate = result.estimate
        if estimate is None:
            # That the file failed, and why, is said as for any other file.
            self._report.count("could not be read")
        elif estimate.bpm is None:
            self._report.kept(name, "no tempo", why=estimate.reason and f"no tempo: {estimate.reason}")
        elif estimate.confidence < least:
            why = f"confidence {estimate.confidence:.2f}, under {least:g}"
            self._report.kept(name, f"confidence under {least:g}", why=why)
        elif result.part is not None:
            self._failed(name, "a part's tempo is not the file's")
        elif is_url(result.path):
            self._failed(name, "a file behind a URL cannot be written to")
        else:
            return self._with_tag(result, estimate.bpm)
        return result

    def _with_tag(self, result: FileResult, bpm: float) -> FileResult:
        try:
            written = self._tag(result.path, bpm)
        except TagError as error:
            self._failed(result.path, error.reason)
            return result
        if not written:
            return result
        return replace(result, fingerprint=fingerprint_of(result.path, hashed=self._hashed))

    def _failed(self, name: str, reason: str) -> None:
        self._summary.n_untagged += 1
        self._report.kept(name, reason, note=f"tag not written: {reason}")

    def _tag(self, path: str, bpm: float) -> bool:
        decimals = self._options.tag_decimals
        old = self._worker.read_tempo(path)
        new = self._worker.tag_text(path, bpm, decimals)
        if old is not None and self._is_there(old, new, bpm):
            self._report.kept(path, "has this tempo already", why=f"it says {old} already")
            return False
        if self._options.dry_run:
            self._report.written(path, old, new)
            return False
        if old is not None and not self._may_replace(path, old, new):
            return False
        self._worker.write_tempo(path, bpm, decimals)
        self._summary.n_tagged += 1
        self._report.written(path, old, new)
        return True

    def _is_there(self, old: str, new: str, bpm: float) -> bool:
        from tempocli.audio.tags import is_same  # with --write-tags only

        if not is_same(old, bpm):
            return False
        # Who asks for decimals and for replacing wants them where a tag is rounded.
        refines = self._options.tag_decimals is not None and self._options.overwrite
        return not refines or float(old) == float(new)

    def _may_replace(self, path: str, old: str, new: str) -> bool:
        if self._options.overwrite:
            return True
        if not may_ask(self._options):
            note = f"tag says {old}, not {new}; --overwrite replaces it"
            self._report.kept(path, "another tempo is there", note=note)
            return False
        if click.confirm(console.one_line(f"{path}: replace the tag {old} by {new}?"), err=True):
            return True
        self._report.kept(path, "another tempo is there", why=f"you keep {old}")
        return False


def _shown(old: str | None) -> str:
    return "none" if old is None else old
