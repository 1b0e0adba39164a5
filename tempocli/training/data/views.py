"""Views of clips: excerpts at a known rate, with cheap augmentations, all on log-mel frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.features.front_end import mel_centres

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd


_SHORTEST = 215  # frames: 2.5 s
# Delays of echoes, in beats: those of a delay unit in time with the music, mostly cross-rhythms, since three
# against two is the most common error besides the octave; and one that is not in time.
_ECHO_BEATS = (1 / 4, 1 / 2, 1.0, 3 / 8, 3 / 8, 3 / 4, 3 / 4, 3 / 4, 3 / 2, 1 / 3, 2 / 3, 2 / 3, 0.31)


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """Settings of the augmentation of views.

    Attributes
    ----------
    max_stretch : float
        Rates are ``exp(u)`` with ``u`` uniform in [-max_stretch, max_stretch].
    gain_db, eq_db : float
        Maximum change of level, and standard deviation of the random equaliser's knots, in dB.
    noise : float
        Probability of a noise floor.
    band_drop : float
        Probability that a range of bands is silenced.
    band_keep : float
        Probability that all bands outside a range are silenced, which isolates a part of the music.
    overlay : float
        Probability that unlabelled music is mixed under labelled music, 3 to 20 dB softer.
    echo, compression : float
        Probability that labelled music gets echoes, and that its dynamics are compressed.
    warmth : float
        Probability that labelled music gets louder bass and softer treble, like recordings.
    short : float
        Probability that labelled music is shortened, like loops and excerpts.
    """

    max_stretch: float = 0.2
    gain_db: float = 12.0
    eq_db: float = 6.0
    noise: float = 0.25
    band_drop: float = 0.2
    band_keep: float = 0.0
    overlay: float = 0.0
    echo: float = 0.0
    compression: float = 0.0
    warmth: float = 0.0
    short: float = 0.0


def stretch(frames: NDArray[np.float16], *, start: float, rate: float, n_frames: int) -> NDArray[np.float32]:
    """Read `n_frames` frames at `rate` with linear interpolation; rate > 1 is faster.

    Frames before the first and after the last are silent.

    Parameters
    ----------
    frames : ndarray of float16, shape=(n_source, n_mels)
    start : float
        Position of the first frame in `frames`.
    rate : float
        Frames of the source per frame of the view.
    n_frames : int
        Length of the view.

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
    """
    positions = start + rate * np.arange(n_frames)
    first, last = int(np.floor(positions[0])), int(positions[-1]) + 2
    source = np.zeros((last - first, frames.shape[1]), np.float32)
    low, high = max(first, 0), min(last, len(frames))
    if high > low:
        source[low - first : high - first] = frames[low:high]
    below = np.floor(positions).astype(np.int64) - first
    weight = (positions - first - below).astype(np.float32)[:, None]
    return np.asarray(source[below] * (1.0 - weight) + source[below + 1] * weight)


def draw_excerpt(length: int, *, rate: float, n_frames: int, rng: np.random.Generator) -> float:
    """Draw the first frame of an excerpt such that a view at `rate` has no padding, if possible.

    Padding would reveal the rate to the network.
    """
    spare = length - rate * n_frames - 2.0
    return float(rng.uniform(0.0, spare)) if spare > 0.0 else spare / 2.0


def augment(
    log_mel: NDArray[np.float32], config: ViewConfig, front_end: FrontEnd, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Change level, equalisation and noise floor of a view in the linear magnitude domain.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    config : ViewConfig
    front_end : FrontEnd
        The front end of the frames.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
    """
    n_mels = log_mel.shape[1]
    knots = rng.normal(0.0, config.eq_db, 6)
    curve = np.interp(np.linspace(0.0, 5.0, n_mels), np.arange(6), knots)
    gain = 10.0 ** ((curve + rng.uniform(-config.gain_db, config.gain_db)) / 20.0)
    if rng.random() < config.band_drop:
        width = int(rng.integers(2, n_mels // 3))
        first = int(rng.integers(0, n_mels - width + 1))
        gain[first : first + width] = 0.0
    if config.band_keep > 0.0 and rng.random() < config.band_keep:
        width = int(rng.integers(n_mels // 5, n_mels // 2))
        first = int(rng.integers(0, n_mels - width + 1))
        gain[:first] = gain[first + width :] = 0.0
    magnitude = np.expm1(log_mel) * gain.astype(np.float32)
    if rng.random() < config.noise:
        magnitude += _noise_floor(log_mel.shape, front_end, rng)
    return np.asarray(np.log1p(magnitude))


def pitch_shift(log_mel: NDArray[np.float32], semitones: float, front_end: FrontEnd) -> NDArray[np.float32]:
    """Shift the pitch of a view by moving its bands along the mel axis; the rhythm does not change.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    semitones : float
        Up when positive; may be a fraction.
    front_end : FrontEnd
        The front end of the frames.

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
    """
    centres = mel_centres(front_end)
    places = np.interp(centres / 2.0 ** (semitones / 12.0), centres, np.arange(len(centres)))
    below = np.minimum(places.astype(np.int64), len(centres) - 2)
    weight = (places - below).astype(np.float32)
    return np.asarray(log_mel[:, below] * (1.0 - weight) + log_mel[:, below + 1] * weight, np.float32)


def produce(
    log_mel: NDArray[np.float32], beat: float, config: ViewConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Apply production effects to a view: echoes in time with the beat, compression, a warm sound.

    Echoes and compression make music denser than sequenced music, and the dotted-eighth echo adds a
    cross-rhythm. The tempo does not change.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    beat : float
        Length of a beat, in frames.
    config : ViewConfig
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
    """
    if rng.random() < config.echo:
        log_mel = _echo(log_mel, beat, rng)
    if rng.random() < config.compression:
        log_mel = _compress(log_mel, float(rng.uniform(0.2, 0.8)))
    if rng.random() < config.warmth:
        log_mel = _warm(log_mel, float(rng.uniform(2.0, 10.0)))
    return log_mel


def _echo(log_mel: NDArray[np.float32], beat: float, rng: np.random.Generator) -> NDArray[np.float32]:
    delay = max(2, round(beat * float(rng.choice(_ECHO_BEATS))))
    # No echoes in the bass, as in a usual mix.
    gain = np.zeros(log_mel.shape[1], np.float32)
    gain[int(rng.integers(0, log_mel.shape[1] // 3)) :] = rng.uniform(0.15, 0.7)
    magnitude = np.expm1(log_mel)
    wet = magnitude.copy()
    for repeat in range(1, int(rng.integers(2, 5))):
        if repeat * delay < len(magnitude):
            wet[repeat * delay :] += magnitude[: -repeat * delay] * gain**repeat
    return np.asarray(np.log1p(wet), np.float32)


def _compress(log_mel: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    magnitude = np.expm1(log_mel)
    level = magnitude.mean(axis=1)
    # A compressor reacts after some frames, so the attack of a hit passes.
    level = np.convolve(np.pad(level, (8, 0), mode="edge"), np.full(9, 1.0 / 9.0), "valid")
    level += 0.03 * level.max() + 1e-6
    gain = (level / level.max()) ** -strength
    return np.asarray(np.log1p(magnitude * gain[:, None]), np.float32)


def _warm(log_mel: NDArray[np.float32], tilt_db: float) -> NDArray[np.float32]:
    curve = np.linspace(tilt_db + 3.0, 3.0 - tilt_db, log_mel.shape[1])
    return np.asarray(np.log1p(np.expm1(log_mel) * (10.0 ** (curve / 20.0)).astype(np.float32)), np.float32)


def shorten(log_mel: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Keep a part of a view, of 2.5 s or more, centred as inference centres short audio.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
        Padded with repeats of the first and the last frame of the part.
    """
    n_frames = len(log_mel)
    kept = int(np.exp(rng.uniform(np.log(min(_SHORTEST, n_frames)), np.log(n_frames))))
    start = int(rng.integers(0, n_frames - kept + 1))
    missing = n_frames - kept
    sides = ((missing // 2, missing - missing // 2), (0, 0))
    return np.pad(log_mel[start : start + kept], sides, mode="edge")


def overlay(
    log_mel: NDArray[np.float32], other: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Mix other music under a view, 3 to 20 dB softer, for timbres and textures that synthesisers lack.

    Parameters
    ----------
    log_mel, other : ndarray of float32, shape=(n_frames, n_mels)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
    """
    main, under = np.expm1(log_mel), np.expm1(other)
    level = np.sqrt(np.mean(np.square(main)) / max(float(np.mean(np.square(under))), 1e-12))
    return np.asarray(np.log1p(main + under * np.float32(level * 10.0 ** (rng.uniform(-20.0, -3.0) / 20.0))))


def _noise_floor(
    shape: tuple[int, ...], front_end: FrontEnd, rng: np.random.Generator
) -> NDArray[np.float32]:
    level = front_end.log_gain * 10.0 ** rng.uniform(-5.0, -2.7)
    tilt = np.exp(np.linspace(0.0, rng.normal(0.0, 1.0), shape[1]))
    floor = np.abs(1.0 + 0.3 * rng.standard_normal(shape, np.float32)) * (level * tilt)
    return np.asarray(floor, np.float32)


def beatless(n_frames: int, front_end: FrontEnd, rng: np.random.Generator) -> NDArray[np.float32]:
    """Generate a window without a tempo: silence, noise, or events at random times.

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
    """
    magnitude = np.zeros((n_frames, front_end.n_mels), np.float32)
    kind = rng.random()
    if kind < 0.9:
        swell = np.exp(np.convolve(rng.normal(0.0, 1.0, n_frames + 200), np.ones(201) / 15.0, "valid"))
        swell /= swell.max()
        magnitude += _noise_floor(magnitude.shape, front_end, rng) * swell.astype(np.float32)[:, None] * 8.0
    if kind < 0.5:
        for time in np.cumsum(rng.exponential(rng.uniform(8.0, 80.0), 400)).astype(int):
            if time >= n_frames:
                break
            length = min(int(rng.integers(3, 60)), n_frames - time)
            decay = np.exp(-np.arange(length) / rng.uniform(2.0, 20.0))[:, None]
            colour = np.exp(rng.normal(0.0, 1.5, front_end.n_mels))
            level = front_end.log_gain * 10.0 ** rng.uniform(-3.5, -1.5)
            magnitude[time : time + length] += (level * decay * colour).astype(np.float32)
    return np.asarray(np.log1p(magnitude))
