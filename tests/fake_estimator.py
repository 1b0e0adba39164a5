"""An estimator that finds the tempo in a file's name, to test what lies around the real one.

As a program it is `tempo` with this estimator, for tests that need a process of its own.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.axis import TempoAxis
from tempocli.comparison import TempoComparison
from tempocli.errors import AudioError
from tempocli.schema import Candidate, CurvePoint, Estimate, Outcome, TempoSection

if TYPE_CHECKING:
    from tempocli.inference.options import EstimatorOptions

SLOW_SECONDS = 60.0  # of the files that take too long


def make_estimate(
    bpm: float | None,
    *,
    reason: str = "silence",
    model: str = "fake",
    confidence: float = 0.8765432,
    steady: bool = True,
) -> Estimate:
    if bpm is None:
        return Estimate(None, 0.0, 0.0, (), reason, 12.5, model, model_version="7")
    candidates = (Candidate(bpm, 0.75, "1"), Candidate(bpm / 2, 0.25, "1/2"))
    curve = (CurvePoint(6.0, bpm, 0.9), CurvePoint(12.0, bpm + 1.0, 0.8))
    if steady:
        sections: tuple[TempoSection, ...] = (TempoSection(0.0, 180.06789, bpm, confidence),)
    else:
        sections = (
            TempoSection(0.0, 120.0004, bpm, confidence),
            TempoSection(120.0004, 180.06789, bpm + 40.0, 0.5),
        )
    return Estimate(
        bpm,
        confidence,
        0.654321,
        candidates,
        None,
        180.06789,
        model,
        curve,
        bpm_error=0.01234,
        steady=steady,
        tempo_sections=sections,
        model_version="7",
    )


class FakeEstimator:
    """Takes "128.5.wav" for 128.5 BPM; words in a name have their effect: "silent", "doubtful",
    "moody" (which is not steady), and those of `_misbehave`. A part is faster by its start in seconds.
    """

    created: dict[str, Any]

    def __init__(self, model: str | None = None, **settings: Any) -> None:
        type(self).created = {"model": model, **settings}
        self.model_name = model or "tempo"
        self.device = "cpu"
        self.top = settings.get("top", 5)
        self._settings = {"model": {"name": self.model_name, "version": "1"}, **settings}

    @classmethod
    def from_options(cls, options: EstimatorOptions) -> FakeEstimator:
        return cls(
            options.model,
            method=options.method,
            references=options.references,
            device=options.device,
            **asdict(options.search),
        )

    def settings(self) -> dict[str, Any]:
        return self._settings

    def portable(self) -> FakePortable:
        return FakePortable()

    def encode(self, windows: Any) -> Any:
        return windows + 1.0, windows * 2.0

    def estimate(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Estimate:
        if not isinstance(source, str | Path):
            return make_estimate(float(source.read()) + start)
        name = Path(source).name
        if not Path(source).exists():
            raise AudioError(str(source), "No such file or directory")
        if Path(source).is_dir():
            raise AudioError(str(source), "is a directory")
        if "/fd/" in str(source):
            return make_estimate(float(Path(source).read_bytes()))  # standard input
        _misbehave(name)
        if meeting := re.search(r"meet (\d+)", name):
            _meet(Path(source), int(meeting[1]))
        if "silent" in name:
            return make_estimate(None)
        found = re.search(r"\d+(\.\d+)?", name)
        return make_estimate(
            (float(found[0]) if found else 120.0) + start,
            confidence=0.12 if "doubtful" in name else 0.8765432,
            steady="moody" not in name,
        )

    def process(self, source: Any, **part: Any) -> Outcome:
        return Outcome(estimate=self.estimate(source, **part))

    def analyse(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Any:
        from tempocli.estimator import Analysis

        estimate = self.estimate(source, start=start, duration=duration)
        times = np.array([6.0, 12.0])
        bpms = TempoAxis().bpms
        tempogram = np.full((2, 160), 1 / 160, np.float32)
        return Analysis(estimate, tempogram, times, bpms, np.zeros(8, np.float32))


def _meet(path: Path, count: int) -> None:
    """Wait until that many files of the folder are being estimated, this one among them."""
    path.with_suffix(".here").touch()
    deadline = time.monotonic() + SLOW_SECONDS
    while len(list(path.parent.glob("*.here"))) < count:
        if time.monotonic() > deadline:
            raise TimeoutError("nobody else came")
        time.sleep(0.01)


def _misbehave(name: str) -> None:
    if "broken" in name:
        raise AudioError(name, "not audio")
    if "bug" in name:
        raise ZeroDivisionError("a bug")
    if "memory" in name:
        raise MemoryError
    if "slow" in name or "hang" in name:
        time.sleep(SLOW_SECONDS)
    if "late" in name:
        time.sleep(0.05)
    if "crash" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "exit" in name:
        os._exit(7)
    if "damaged" in name:
        logging.getLogger("tempocli.audio").warning("%s: damaged", name)


class FakePortable:
    """What a worker makes its `FakeEstimator` of; names with "remote" are told what came back."""

    def connect(self, encode: Any) -> FakeEstimator:
        estimator = FakeEstimator()
        plain = estimator.estimate

        def estimate(source: Any, **part: Any) -> Estimate:
            if "remote" in str(source):
                logits, embedding = encode(np.full((1, 2, 2), 41.0))
                return make_estimate(float(logits.mean() + embedding.mean()))
            return plain(source, **part)

        estimator.estimate = estimate  # type: ignore[method-assign]
        return estimator


class FakeComparer:
    """Compares the tempi in the names of two files; those within 2 % are the same."""

    def __init__(self, model: str = "compare", *, device: str = "auto") -> None:
        self._estimator = FakeEstimator(model)

    def analyse(self, source: str | Path) -> Estimate:
        return self._estimator.estimate(source)

    def compare(self, a: Estimate, b: Estimate) -> TempoComparison:
        if a.bpm is None or b.bpm is None:
            return TempoComparison(None, None, "silence")
        ratio = b.bpm / a.bpm
        return TempoComparison(1.0 if abs(ratio - 1.0) <= 0.02 else 0.0, ratio, None)


if __name__ == "__main__":
    import fake_estimator

    import tempocli.comparison
    import tempocli.estimator
    from tempocli.cli import main

    # Not this module's own, which a worker would not find by the name __main__.
    tempocli.estimator.Estimator = fake_estimator.FakeEstimator
    tempocli.comparison.TempoComparer = fake_estimator.FakeComparer
    sys.argv[0] = "tempo"
    main()
