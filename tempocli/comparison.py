"""Compare the tempi of two recordings with the comparator (Henkel 2024)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.audio.arrays import array_blocks
from tempocli.audio.parts import source_blocks
from tempocli.decoding.distributions import find_peaks, pool
from tempocli.decoding.refinement import refine_tempo
from tempocli.inference.comparator import Comparator
from tempocli.inference.methods import ReferenceModel
from tempocli.inference.references.bank import load_bank
from tempocli.inference.registry import resolve
from tempocli.inference.window_analysis import WindowAnalysis, analyse_windows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.audio.parts import Source

_MAX_WINDOWS = 64  # per recording; more add no information, and the number of pairs grows with the square


@dataclass(frozen=True, slots=True)
class TempoComparison:
    """Result of comparing the tempi of two recordings.

    Attributes
    ----------
    probability : float or None
        Probability that both have the same tempo; ``None`` if they cannot be compared, see `reason`.
    ratio : float or None
        Tempo of the second recording divided by the tempo of the first.
    reason : str or None
        Why they cannot be compared (``"silence"``, ``"too short"``), otherwise ``None``.
    """

    probability: float | None
    ratio: float | None
    reason: str | None

    @property
    def same(self) -> bool:
        """Whether the two recordings are judged to have the same tempo."""
        return self.probability is not None and self.probability >= 0.5


class TempoComparer:
    """Compare the tempi of recordings.

    Parameters
    ----------
    model : str or Path
        Name of a bundled comparator, or path of an ONNX file.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If the model is unknown or damaged.
    DeviceError
        If ``"cuda"`` is requested and does not work.

    Examples
    --------
    >>> comparer = TempoComparer()
    >>> one = comparer.analyse("docs/sample.ogg")  # doctest: +SKIP
    >>> comparer.compare(one, comparer.analyse("other.wav")).ratio  # doctest: +SKIP
    1.25
    """

    def __init__(self, model: str | Path = "compare", *, device: str = "auto") -> None:
        self._comparator = Comparator(resolve(model, "compare"), device=device)
        self._model = ReferenceModel(self._comparator, load_bank(self._comparator))
        self.model_name = self._model.spec.name
        self.front_end = self._model.spec.front_end

    def analyse(self, source: Source, sample_rate: int | None = None) -> WindowAnalysis:
        """Analyse a recording; the result can be used for any number of comparisons.

        Parameters
        ----------
        source : str, Path, binary file object, or ndarray
            Audio, or an array of samples, shape=(n_samples,) or (n_samples, n_channels).
        sample_rate : int, optional
            Sample rate of an array, in Hz.

        Raises
        ------
        AudioError
            If the source cannot be read as audio, or is no array of samples.
        ValueError
            If a sample rate is given for a file or a stream.
        """
        return self._analyse(source_blocks(source, sample_rate, None, wanted_rate=self.front_end.sample_rate))

    def analyse_array(self, samples: NDArray[Any], sample_rate: int | None = None) -> WindowAnalysis:
        """Analyse samples, shape=(n_samples,) or (n_samples, n_channels).

        Parameters
        ----------
        samples : ndarray
            Floats with full scale 1, or signed integers.
        sample_rate : int, optional
            In Hz; that of the front end by default.

        Raises
        ------
        AudioError
            If it is no array of samples.
        """
        wanted = self.front_end.sample_rate
        return self._analyse(
            array_blocks(samples, wanted if sample_rate is None else sample_rate, wanted_rate=wanted)
        )

    def _analyse(self, blocks: Iterable[NDArray[np.float32]]) -> WindowAnalysis:
        return analyse_windows(self._model.spec, self._model.encode, self.front_end.stream(blocks))

    def compare(self, a: WindowAnalysis, b: WindowAnalysis) -> TempoComparison:
        """Compare two recordings.

        Swapping the two gives the same probability and the inverse ratio.

        Parameters
        ----------
        a, b : WindowAnalysis
            Results of `analyse`.

        Returns
        -------
        TempoComparison
        """
        for heard in (a, b):
            if heard.reason is not None:
                return TempoComparison(None, None, heard.reason)
        # A fixed order, so that rounding is the same in both directions.
        if a.embeddings.tobytes() > b.embeddings.tobytes():
            probability, ratio = self._compare(b, a)
            return TempoComparison(probability, 1.0 / ratio, None)
        return TempoComparison(*self._compare(a, b), None)

    def _compare(self, a: WindowAnalysis, b: WindowAnalysis) -> tuple[float, float]:
        log_odds = self._comparator.log_odds(_spread(a.embeddings), _spread(b.embeddings))
        probability = 1.0 / (1.0 + math.exp(-float(log_odds.mean(dtype=np.float64))))
        return probability, self._ratio(a, b)

    def _ratio(self, a: WindowAnalysis, b: WindowAnalysis) -> float:
        """Find the shift between the two tempo distributions, then refine both tempi at that shift."""
        spec = self._model.spec
        axis = spec.axis
        pooled_a, pooled_b = (
            pool(heard.tempograms[spec.method], prior=spec.prior_weights) for heard in (a, b)
        )
        overlap = np.correlate(pooled_b, pooled_a, "full")
        shift = int(overlap.argmax()) - (axis.n_bins - 1)
        # Both tempi are taken where the distributions agree best, so that they are in the same octave.
        low, high = max(0, -shift), min(axis.n_bins, axis.n_bins - shift)
        joint = np.zeros(axis.n_bins)
        joint[low:high] = pooled_a[low:high] * pooled_b[low + shift : high + shift]
        first = find_peaks(joint / joint.sum(), axis)[0].bpm
        second = first * 2.0 ** (shift / axis.bins_per_octave)
        frame_rate = self.front_end.frame_rate
        first, second = (
            refine_tempo(heard.onset, frame_rate=frame_rate, bpm=bpm).bpm
            for heard, bpm in ((a, first), (b, second))
        )
        return second / first


def _spread(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return at most `_MAX_WINDOWS` windows, spread over the whole recording."""
    if len(embeddings) <= _MAX_WINDOWS:
        return embeddings
    return embeddings[np.linspace(0, len(embeddings) - 1, _MAX_WINDOWS).astype(np.intp)]
