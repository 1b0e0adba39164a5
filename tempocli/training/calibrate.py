"""Calibrating the confidence: from shares of the tempo distribution to probabilities, on clips kept out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli import metrics
from tempocli.decoder import find_peaks, log_odds, octave_share, pool, pulse, share_near, softmax
from tempocli.encoder import Calibration
from tempocli.training.views import beatless, stretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tempocli.training.network import TempoNetwork
    from tempocli.training.sampling import Sampler

_VIEWS = 3  # differently stretched copies of every clip
_BEATLESS = 200
_NEAR_NOISE = 0.1


@dataclass(frozen=True, slots=True)
class Scorer:
    """What is calibrated: something that gives windows tempo distributions, and how they are pooled.

    Attributes
    ----------
    tempogram : callable
        From log-mel windows, shape=(n_windows, n_frames, n_mels), to distributions over the bins.
    bpms : ndarray of float64, shape=(n_bins,)
    bins_per_octave : int
    prior : ndarray of float64, shape=(n_bins,)
        See `tempocli.methods.ModelFacts`.
    geometric : bool
        See `tempocli.decoder.pool`.
    """

    tempogram: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    bpms: NDArray[np.float64]
    bins_per_octave: int
    prior: NDArray[np.float64]
    geometric: bool = False

    def pool(self, tempogram: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the track's distribution, of those of its windows."""
        return pool(tempogram, self.bpms, prior=self.prior, geometric=self.geometric)

    def pulse(self, windows: NDArray[np.float32]) -> float:
        """Tell how clear the pulse of windows is."""
        return pulse(
            self.tempogram(windows),
            self.bpms,
            self.bins_per_octave,
            prior=self.prior,
            geometric=self.geometric,
        )


def network_scorer(network: TempoNetwork, tilt: float) -> Scorer:
    """Make the scorer of a tempo encoder in evaluation mode."""
    config = network.config
    bpms = config.min_bpm * 2.0 ** (np.arange(config.n_bins) / config.bins_per_octave)
    return Scorer(partial(_tempogram, network), bpms, config.bins_per_octave, bpms**tilt)


def calibrate(scorer: Scorer, sampler: Sampler, *, tilt: float = 0.0) -> Calibration:
    """Fit the calibration on the clips of known tempo that training does not see, and on noise.

    Click tracks, which are all that a recipe without labels has, set the threshold of the pulse only.

    Parameters
    ----------
    scorer : Scorer
    sampler : Sampler
        Of clips of known tempo; for a network that was trained on such clips, of the same data.
    tilt : float
        What the scorer's prior was made from, for the record; 0 where the model has a prior of its own.

    Returns
    -------
    Calibration
    """
    rng = np.random.default_rng(0)
    shares, right, octaves, octave_right, pulses = [], [], [], [], []
    for windows, bpm in _validation_clips(sampler, rng):
        tempogram = scorer.tempogram(windows)
        pooled = scorer.pool(tempogram)
        peaks = find_peaks(pooled, scorer.bpms, top=5)
        right1 = bool(metrics.accuracy1([bpm], [peaks[0].bpm])[0])
        shares.append(log_odds(share_near(pooled, scorer.bpms, peaks[0].bpm)))
        right.append(right1)
        if metrics.accuracy2([bpm], [peaks[0].bpm])[0]:
            octaves.append(log_odds(octave_share(peaks)))
            octave_right.append(right1)
        pulses.append(scorer.pulse(windows))
    noise = [scorer.pulse(windows) for windows in _beatless_clips(sampler, rng)]
    # A number for music that has little pulse is a smaller fault than none for music that has one, and
    # recordings are less clear than synthetic music: so the threshold is near the noise.
    low, high = float(np.quantile(noise, 0.99)), float(np.quantile(pulses, 0.01))
    pulse = low + _NEAR_NOISE * max(0.0, high - low)
    if sampler.recipe.scale:
        # Plain clicks have no octave to be right about, so the shares stay what they are.
        return Calibration(tilt=tilt, confidence=(0.0, 1.0), octave=(0.0, 1.0), pulse=pulse)
    return Calibration(
        tilt=tilt,
        confidence=fit_logistic(np.array(shares), np.array(right)),
        octave=fit_logistic(np.array(octaves), np.array(octave_right)),
        pulse=pulse,
    )


def fit_logistic(score: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit bias and slope of a logistic regression, with a weak pull towards the identity.

    Parameters
    ----------
    score : ndarray of float64, shape=(n,)
        Log-odds.
    right : ndarray of bool, shape=(n,)

    Returns
    -------
    bias, slope : float
    """
    design = np.stack([np.ones_like(score), score], axis=1)
    start = np.array([0.0, 1.0])
    weights = start.copy()
    for _ in range(100):
        expected = 1.0 / (1.0 + np.exp(-design @ weights))
        gradient = design.T @ (expected - right) + (weights - start)
        hessian = (design * (expected * (1.0 - expected))[:, None]).T @ design + np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        # Whole steps of Newton's method can run away where nearly all answers are right.
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def _validation_clips(sampler: Sampler, rng: np.random.Generator) -> list[tuple[NDArray[np.float32], float]]:
    recipe, clips = sampler.recipe, []
    n_frames = recipe.network.n_frames
    for store, known in sampler.known:
        for clip in known:
            if clip.bpm is None:
                continue
            frames = store.frames[clip.start : clip.start + clip.length]
            for _ in range(_VIEWS):
                rate = float(np.exp(rng.uniform(-0.1, 0.1)))
                whole = stretch(frames, start=0.0, rate=rate, n_frames=max(n_frames, int(clip.length / rate)))
                if recipe.scale:
                    # Plain clicks are nothing like music, and only music can tell where a pulse ends.
                    whole = sampler.disguise(whole, clip.bpm * rate, rng)
                starts = range(0, len(whole) - n_frames + 1, n_frames // 2)
                clips.append(
                    (np.stack([whole[start : start + n_frames] for start in starts]), clip.bpm * rate)
                )
    return clips


def _beatless_clips(sampler: Sampler, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    n_frames = sampler.recipe.network.n_frames
    return [
        np.stack([beatless(n_frames, sampler.front_end, rng) for _ in range(8)]) for _ in range(_BEATLESS)
    ]


@torch.inference_mode()
def _tempogram(network: TempoNetwork, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    logits, _ = network(torch.from_numpy(windows))
    return softmax(logits.numpy())
