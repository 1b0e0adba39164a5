"""Calibration of the confidence on held-out clips: tempo-distribution mass to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.decoding.distributions import log_odds
from tempocli.decoding.pooling import track_tempo
from tempocli.decoding.search import search
from tempocli.evaluation import metrics
from tempocli.inference.calibration import Calibration
from tempocli.inference.window_analysis import SILENCE, analyse_windows
from tempocli.training.data.views import beatless, stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.decoding.pooling import TrackTempo
    from tempocli.features.front_end import FrontEnd
    from tempocli.inference.classifier import Encode
    from tempocli.inference.spec import ModelSpec
    from tempocli.training.data.store import Clip, Store

    Track = Callable[[NDArray[np.float32]], TrackTempo]

_VIEWS = 8  # stretched copies of every clip, since the accuracy depends much on the rate
_BEATLESS, _TONES = 1000, 100
_REFUSED = 0.98  # share of noise, speech and held tones to reject


class KnownMusic(Protocol):
    """Clips of known tempo for calibration; see `tempocli.training.tempo.sampler.TempoSampler`."""

    @property
    def front_end(self) -> FrontEnd:
        """Front end of the clips."""
        ...

    @property
    def n_frames(self) -> int:
        """Number of frames in a window."""
        ...

    @property
    def clicks_only(self) -> bool:
        """Whether all clips of known tempo are click tracks."""
        ...

    @property
    def known(self) -> list[tuple[Store, list[Clip]]]:
        """Clips not used in training; those without a tempo are noise to reject."""
        ...

    @property
    def calibration(self) -> list[tuple[Store, list[Clip]]]:
        """The clips of `known` that the confidence is fitted on."""
        ...

    def disguise(
        self, window: NDArray[np.float32], bpm: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Augment log-mel frames of a known tempo, in BPM."""
        ...


def track_by(spec: ModelSpec, encode: Encode) -> Track:
    """Return a function from log-mel frames, shape=(n_frames, n_mels), to their tempo distribution."""

    def track(frames: NDArray[np.float32]) -> TrackTempo:
        heard = analyse_windows(spec, encode, [frames])
        return track_tempo(spec, heard.tempograms, heard.curve)

    return track


def calibrate(track: Track, axis: TempoAxis, music: KnownMusic) -> Calibration:
    """Fit the calibration on held-out clips of known tempo, noise and speech.

    A recipe without labels has click tracks only; they set only the pulse threshold.

    Parameters
    ----------
    track : callable
        From log-mel frames to their tempo distribution.
    axis : TempoAxis
        Axis of the distribution.
    music : KnownMusic
        Clips of known tempo; from the training data if the network was trained on labelled clips.

    Returns
    -------
    Calibration
    """
    rng = np.random.default_rng(0)
    families, family_right, octaves, octave_right, pulses = [], [], [], [], []
    for frames, bpm in _known_clips(music, rng):
        tempo = track(frames)
        found = search(tempo.distribution, axis, min_bpm=MIN_BPM, max_bpm=MAX_BPM, exact=float)[0]
        right = bool(metrics.accuracy2([bpm], [found.bpm])[0])
        families.append(log_odds(found.family))
        family_right.append(right)
        if right:
            octaves.append(log_odds(found.mass / found.family))
            octave_right.append(bool(metrics.accuracy1([bpm], [found.bpm])[0]))
        pulses.append(tempo.pulse)
    noise = [
        track(frames).pulse
        for frames in _beatless_clips(music, np.random.default_rng(1))
        if frames.max() > SILENCE
    ]
    pulse = fit_pulse(np.array(pulses), np.array(noise))
    if music.clicks_only:
        # The octave of plain clicks is ambiguous, so the shares stay uncalibrated.
        return Calibration((0.0, 1.0), (0.0, 1.0), pulse)
    return Calibration(
        family=fit_logistic(np.array(families), np.array(family_right)),
        octave=fit_logistic(np.array(octaves), np.array(octave_right)),
        pulse=pulse,
    )


def held_tones(rng: np.random.Generator, *, sample_rate: int) -> NDArray[np.float32]:
    """Synthesise held tones that change at random times or never, like a hum or pad, shape=(n_samples,)."""
    seconds = float(rng.uniform(12.0, 40.0))
    samples = np.zeros(int(seconds * sample_rate))
    start = 0.0
    holds = rng.random() < 0.5
    while start < seconds:
        length = seconds if holds else float(rng.uniform(2.0, 9.0))
        begin = int(start * sample_rate)
        t = np.arange(min(len(samples) - begin, int(length * sample_rate))) / sample_rate
        edge = float(rng.uniform(0.2, 1.0))
        envelope = np.minimum(1.0, np.minimum(t, t[-1] - t) / edge)
        for _ in range(int(rng.integers(1, 5))):
            frequency = float(np.exp(rng.uniform(np.log(60.0), np.log(2000.0))))
            samples[begin : begin + len(t)] += envelope * np.sin(2.0 * np.pi * frequency * t)
        start += length
    level = 10.0 ** rng.uniform(-2.0, -0.5) / max(1e-9, float(np.abs(samples).max()))
    return np.asarray(level * samples, np.float32)


def fit_pulse(music: NDArray[np.float64], noise: NDArray[np.float64]) -> tuple[float, float, float]:
    """Fit the threshold below which audio is reported to have no pulse.

    The two measures have equal weights: logistic regression would fit the weights to synthetic music, whose
    pulse is far clearer than that of recordings. A low-confidence tempo for audio without a pulse is a
    smaller error than no tempo for music, so the threshold is set on the noise, such that 2 % of its clips
    pass.

    Parameters
    ----------
    music, noise : ndarray of float64, shape=(n, 2)
        `tempocli.decoding.pooling.TrackTempo.pulse`.

    Returns
    -------
    bias, peak, strength : float
        See `tempocli.inference.calibration.Calibration`.
    """
    threshold = min(np.quantile(noise.sum(axis=1), _REFUSED), np.quantile(music.sum(axis=1), 0.01))
    return -float(threshold), 1.0, 1.0


def fit_logistic(score: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit bias and slope of a logistic regression, weakly regularised towards the identity.

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
        # Full Newton steps can diverge when nearly all answers are right.
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def _known_clips(music: KnownMusic, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float32], float]]:
    for store, known in music.calibration:
        for clip in known:
            if clip.bpm is None:
                continue
            frames = store.frames_of(clip)
            for _ in range(_VIEWS):
                rate = float(np.exp(rng.uniform(-0.1, 0.1)))
                n_frames = int((clip.length - 2) / rate) if clip.length > 2 else music.n_frames
                whole = stretch(frames, start=0.0, rate=rate, n_frames=n_frames)
                if music.clicks_only:
                    # Plain clicks have a far clearer pulse than music, which the threshold is for.
                    whole = music.disguise(whole, clip.bpm * rate, rng)
                yield whole, clip.bpm * rate


def _beatless_clips(music: KnownMusic, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    for _ in range(_BEATLESS):
        yield beatless(int(rng.integers(1024, 4096)), music.front_end, rng)
    for _ in range(_TONES):
        yield music.front_end.log_mel(held_tones(rng, sample_rate=music.front_end.sample_rate))
    for store, known in music.known:
        for clip in known:
            if clip.bpm is None:
                yield np.asarray(store.frames_of(clip), np.float32)
