"""What has become of the inputs: messages as they fail, the exit status, a summary at the end."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from tempocli.cli import console
from tempocli.cli.words import input_name
from tempocli.schema import DOUBTFUL_CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.schema import Estimate, FileResult

logger = logging.getLogger(__name__)

EXIT_SOME_FAILED = 3
_MAX_REASONS = 1000  # counted apart, and a few of them shown
_SHOWN_REASONS = 10
_BIN_BPM = 20
_BAR = 40


class Tally:
    """Counts results.

    Parameters
    ----------
    notes : callable, optional
        What stderr has to say about an estimate, a line each.
    """

    def __init__(self, notes: Callable[[Estimate], Iterable[str]] | None = None) -> None:
        self._notes = notes
        self._start = time.monotonic()
        self._reasons: Counter[str] = Counter()
        self._bins: Counter[int] = Counter()
        self.n_results = 0
        self.n_failed = 0
        self.n_without_tempo = 0
        self.n_doubtful = 0
        self.n_skipped = 0
        self.n_tagged = 0
        self.n_untagged = 0
        self.n_earlier = 0
        self.n_failed_earlier = 0

    def watch(self, results: Iterable[FileResult]) -> Iterator[FileResult]:
        """Pass results on."""
        for result in results:
            self._count(result)
            yield result
        logger.info("%d inputs, %d failed", self.n_results, self.n_failed)

    def add_earlier(self, *, failed: bool) -> None:
        """Count an input whose result is there already."""
        self.n_earlier += 1
        self.n_failed_earlier += failed

    def _count(self, result: FileResult) -> None:
        self.n_results += 1
        if result.estimate is None:
            self.n_failed += 1
            reason = result.error or ""
            known = reason in self._reasons or len(self._reasons) < _MAX_REASONS
            self._reasons[reason if known else "for other reasons"] += 1
            console.error(f"{input_name(result.path, result.part)}: {reason}")
            return
        if result.estimate.bpm is None:
            self.n_without_tempo += 1
        else:
            self._bins[int(result.estimate.bpm // _BIN_BPM)] += 1
            self.n_doubtful += result.estimate.doubtful
        for note in self._notes(result.estimate) if self._notes is not None else ():
            console.error(f"{input_name(result.path, result.part)}: {note}")

    def exit_code(self) -> int:
        """Return 0 when all is well, 1 when nothing is, 3 when some inputs failed."""
        n_failed = self.n_failed + self.n_failed_earlier
        if n_failed == self.n_results + self.n_earlier and not self.n_skipped:
            return 1
        return EXIT_SOME_FAILED if n_failed or self.n_untagged else 0

    @property
    def n_done(self) -> int:
        """Inputs that are dealt with, now or before."""
        return self.n_results + self.n_earlier + self.n_skipped

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._start

    @property
    def rate(self) -> float:
        """Files a second."""
        return self.n_results / max(self.seconds, 1e-3)

    def summary(self, *, histogram: bool) -> Iterator[str]:
        """Write the summary.

        Parameters
        ----------
        histogram : bool
            Whether the tempi are drawn.

        Yields
        ------
        str
            Its lines.
        """
        yield self._totals()
        for reason, count in self._reasons.most_common(_SHOWN_REASONS):
            yield f"  {count:,} failed: {reason}"
        n_hidden = len(self._reasons) - _SHOWN_REASONS
        if n_hidden > 0:
            yield f"  and {n_hidden} reasons more"
        if self.n_doubtful:
            yield doubtful(self.n_doubtful)
        if histogram and self._bins:
            largest = max(self._bins.values())
            for number in range(min(self._bins), max(self._bins) + 1):
                bar = "#" * round(_BAR * self._bins[number] / largest)
                low = number * _BIN_BPM
                yield f"  {low:3d} to {low + _BIN_BPM:3d} BPM {self._bins[number]:8,d} {bar}".rstrip()

    def _totals(self) -> str:
        parts = [f"{self.n_results:,} file{'s' * (self.n_results != 1)}"]
        if self.n_earlier:
            failed = f" ({self.n_failed_earlier:,} of them failed)" if self.n_failed_earlier else ""
            parts.append(f"{self.n_earlier:,} more done earlier{failed}")
        if self.n_skipped:
            parts.append(f"{self.n_skipped:,} more with a tag already")
        if self.n_tagged:
            parts.append(f"{self.n_tagged:,} tags written")
        if self.n_without_tempo:
            parts.append(f"{self.n_without_tempo:,} without a tempo")
        if self.n_failed:
            parts.append(f"{self.n_failed:,} failed")
        return f"{', '.join(parts)}, in {duration(self.seconds)} ({self.rate:.1f} files/s)"


def doubtful(count: int) -> str:
    """Write the line of a summary about doubtful tempi."""
    return f"  {count:,} doubtful (confidence under {DOUBTFUL_CONFIDENCE:g})"


def duration(seconds: float) -> str:
    """Write a length of time for a person."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
