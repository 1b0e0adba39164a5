"""Excerpts of recordings whose beats an earlier beat network finds; no human labels them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tempocli.decoding.beats.decoder import BeatDecoder, rise_of
from tempocli.estimator import Estimator
from tempocli.inference.beats import BeatActivations
from tempocli.training.data.prepare import Prepared
from tempocli.training.data.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.data.store import Store

_SECONDS = 60.0
_MIN_CONFIDENCE = 0.5  # of the tempo
_MIN_CLEAR = 0.4  # mean activation at the beats
_MIN_METRE = 0.8  # probability of the metre, below which only beats are taken
_MIN_BARS = 0.7  # mean probability of the downbeats


def make_recording(name: str, *, source: Path, model: Path) -> Prepared | None:
    """Take the middle minute of a clip, with the beats that a network finds; ``None`` if they are unclear.

    Parameters
    ----------
    name : str
        Name of the clip in the store of unlabelled music.
    source : Path
        That store.
    model : Path
        ONNX file of the beat network.
    """
    store, estimator, activations = _opened(source, model)
    (clip,) = (each for each in store.clips if each.name == name)
    n_frames = min(clip.length, round(_SECONDS * store.front_end.frame_rate))
    start = (clip.length - n_frames) // 2
    log_mel = store.frames_of(clip)[start : start + n_frames].astype(np.float32)
    estimate = estimator.analyse_log_mel([log_mel]).estimate
    if estimate.bpm is None or estimate.confidence < _MIN_CONFIDENCE:
        return None
    collector = activations.collector()
    collector.push(log_mel)
    decoder = BeatDecoder(activations.spec)
    track = decoder.decode(collector.finish(), log_mel, rise_of(log_mel, None), estimate)
    if not track.beats or np.mean([beat.confidence for beat in track.beats]) < _MIN_CLEAR:
        return None
    certain = np.mean([beat.downbeat_confidence for beat in track.downbeats] or [0.0])
    counted = track.metre_confidence >= _MIN_METRE and certain >= _MIN_BARS
    beats = tuple((round(beat.time, 4), beat.position if counted else 0) for beat in track.beats)
    return Prepared(name, log_mel, estimate.bpm, "audio", clip.group, beats)


@cache
def _opened(source: Path, model: Path) -> tuple[Store, Estimator, BeatActivations]:
    """Open what a worker process needs, once."""
    return open_store(source), Estimator(device="cpu"), BeatActivations(model, device="cpu")
