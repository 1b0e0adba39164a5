"""Counts of the inputs of a run by outcome, for all engines, and the exit status."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tempocli.schema import FileResult

EXIT_SOME_FAILED = 3
_MAX_REASONS = 1000  # counted separately


@dataclass(slots=True)
class BatchSummary:
    """Counts of inputs.

    Attributes
    ----------
    n_results : int
        Inputs that were estimated or failed in this run.
    n_failed, n_without_tempo, n_doubtful : int
        How many of them failed, have no tempo, or have a doubtful tempo.
    n_earlier, n_failed_earlier : int
        Inputs with results from an earlier run, and how many of them had failed.
    n_skipped : int
        Inputs left out because of their tags.
    n_tagged, n_untagged : int
        Tags that were written, and tags that could not be written.
    reasons : Counter of str
        Number of failed inputs of this run by reason.
    started : float
        Start time, from `time.monotonic`.
    """

    n_results: int = 0
    n_failed: int = 0
    n_without_tempo: int = 0
    n_doubtful: int = 0
    n_earlier: int = 0
    n_failed_earlier: int = 0
    n_skipped: int = 0
    n_tagged: int = 0
    n_untagged: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    def add(self, result: FileResult) -> None:
        """Count a result of this run."""
        self.n_results += 1
        if result.error is not None:
            self.add_failure(result.error)
        elif result.estimate is not None:
            self.n_without_tempo += result.estimate.bpm is None
            self.n_doubtful += result.estimate.doubtful

    def add_failure(self, reason: str) -> None:
        """Count the reason of a failure; the caller counts the result itself."""
        self.n_failed += 1
        known = reason in self.reasons or len(self.reasons) < _MAX_REASONS
        self.reasons[reason if known else "for other reasons"] += 1

    def add_earlier(self, *, failed: bool) -> None:
        """Count an input with a result from an earlier run."""
        self.n_earlier += 1
        self.n_failed_earlier += failed

    @property
    def n_done(self) -> int:
        """Number of inputs done in this run or earlier."""
        return self.n_results + self.n_earlier + self.n_skipped

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def rate(self) -> float:
        """Files per second."""
        return self.n_results / max(self.seconds, 1e-3)

    def exit_status(self) -> int:
        """Return 0 if all inputs succeeded, 1 if all failed or there were none, 3 if some failed."""
        n_failed = self.n_failed + self.n_failed_earlier
        if n_failed == self.n_results + self.n_earlier and not self.n_skipped:
            return 1
        return EXIT_SOME_FAILED if n_failed or self.n_untagged else 0
