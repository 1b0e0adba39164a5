"""Where the results of these commands go: a stream, or a file that can be resumed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import click

from tempocli.batch.engines.output import OutputSpec
from tempocli.cli.config.settings import asked_format
from tempocli.cli.sinks import saying_what_is_kept
from tempocli.cli.terminal import console
from tempocli.output.formats import Layout
from tempocli.output.results import ResultFile
from tempocli.output.results.settings import canonical
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import ExitStack

    from tempocli.batch.engines.summary import BatchSummary
    from tempocli.cli.inputs import Inputs
    from tempocli.cli.options import ResumeOptions
    from tempocli.output.formats.pieces import PieceWriter
    from tempocli.output.results.rows import JsonRows
    from tempocli.schema import AudioInput, FileResult


class HasSettings(Protocol):
    """What finds something in audio by settings that are recorded."""

    def settings(self) -> dict[str, Any]:
        """Return everything except the audio that the result depends on."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where results are to go.

    Attributes
    ----------
    output : str or None
        The file; ``None`` for stdout.
    format_name : str
    """

    output: str | None
    format_name: str

    @classmethod
    def of(cls, output: str | None, format_name: str | None, suffixes: Mapping[str, str]) -> Target:
        """Tell the format by the suffix of the file unless it is given; raise UsageError if that fails."""
        output = None if output == "-" else output
        suffix = os.path.splitext(output or "")[1].lower()
        format_name = asked_format(format_name, output, suffixes)
        if format_name is None and suffix not in suffixes:
            raise click.UsageError(
                f"No format is known by the suffix {suffix!r} of {output!r}: give --format."
            )
        return cls(output, format_name or suffixes[suffix])

    @property
    def can_be_continued(self) -> bool:
        """Whether a run can be resumed."""
        if self.output is None or self.format_name != "jsonl":
            return False
        return OutputSpec(self.output, self.format_name, Layout()).can_be_continued

    def check(self, inputs: Inputs, resuming: ResumeOptions, single_formats: frozenset[str]) -> None:
        """Raise UsageError if several inputs do not fit the format, or the run cannot be resumed."""
        if self.format_name in single_formats and not inputs.single:
            raise click.UsageError(
                f"--format {self.format_name} describes one track: give one file (jsonl takes many)."
            )
        if (resuming.resume or resuming.verify_hash) and not self.can_be_continued:
            raise click.UsageError("--resume and --verify-hash need --output FILE.jsonl.")
        if resuming.retry_failed and not resuming.resume:
            raise click.UsageError("--retry-failed needs --resume.")

    def open(
        self,
        stack: ExitStack,
        writer: Callable[[Callable[[bytes], Any]], PieceWriter],
        rows: JsonRows,
        resuming: ResumeOptions,
    ) -> Sink:
        """Open the file or stream.

        Parameters
        ----------
        stack : ExitStack
            Closes the file.
        writer : callable
            From a function that takes bytes to what writes results that cannot be continued.
        rows : JsonRows
            Rows of a file that can be continued.
        resuming : ResumeOptions
        """
        if self.output is not None and self.can_be_continued:
            return _Rows(stack, self.output, resuming, rows)
        file = None if self.output is None else stack.enter_context(atomic_file(self.output))
        return _Pieces(writer(console.write if file is None else file.write))


class Sink(Protocol):
    """Takes results."""

    def missing(
        self, inputs: Inputs, processor: HasSettings, summary: BatchSummary
    ) -> Iterable[AudioInput] | None:
        """Return the inputs that have no result yet, and count the others; ``None`` for all."""

    def add(self, result: FileResult) -> None:
        """Write one result."""

    def close(self) -> None:
        """Write what is left."""


class _Pieces:
    """Results on stdout, or in a file that is written atomically."""

    def __init__(self, writer: PieceWriter) -> None:
        self._writer = writer

    def missing(
        self, inputs: Inputs, processor: HasSettings, summary: BatchSummary
    ) -> Iterable[AudioInput] | None:
        return None

    def add(self, result: FileResult) -> None:
        self._writer.add(result)

    def close(self) -> None:
        self._writer.close()


class _Rows:
    """Results in a file of JSON lines that can be resumed."""

    def __init__(self, stack: ExitStack, output: str, resuming: ResumeOptions, rows: JsonRows) -> None:
        self._layout = Layout()
        self._file = stack.enter_context(
            ResultFile(output, "jsonl", self._layout, resume=resuming.resume, rows=rows)
        )
        stack.enter_context(saying_what_is_kept(self._file))
        self._resuming = resuming

    def missing(self, inputs: Inputs, processor: HasSettings, summary: BatchSummary) -> Iterable[AudioInput]:
        self._file.begin(
            canonical(processor.settings(), self._layout),
            by_hash=self._resuming.verify_hash,
            without_failed=self._resuming.retry_failed,
        )
        return self._unfinished(inputs, summary)

    def _unfinished(self, inputs: Inputs, summary: BatchSummary) -> Iterator[AudioInput]:
        for each in inputs.files():
            had_failed = self._file.take(each.key)
            if had_failed is None:
                yield each
            else:
                summary.add_earlier(failed=had_failed)

    def add(self, result: FileResult) -> None:
        self._file.append(result)

    def close(self) -> None:
        self._file.finish()
