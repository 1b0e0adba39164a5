"""Fit the linear classifier of the metre to composed music."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from tempocli.decoding.beats.decoder import BeatDecoder, rise_of
from tempocli.decoding.beats.metre import METRES
from tempocli.errors import DataError
from tempocli.inference.beats import N_FEATURES, N_METRES, ActivationCollector
from tempocli.schema import Estimate
from tempocli.training.data.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.inference.beats import BeatSpec
    from tempocli.training.data.store import Clip, Store

_DECAY = 2e-3  # of the weights of standardised features


def fit_metre(
    folder: Path, spec: BeatSpec, encode: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> str:
    """Fit the classifier by logistic regression, and return it as JSON for the metadata of the model.

    Parameters
    ----------
    folder : Path
        Store of clips with beats, about equally many in each metre. The network must not have learned from
        them, or its evidence would be too good.
    spec : BeatSpec
    encode : callable
        Runs the network; see `tempocli.inference.beats.BeatActivations.encode`.

    Raises
    ------
    DataError
        If the store lacks clips of a metre, or their tempi.
    """
    store = open_store(folder)
    clips = [clip for clip in store.clips if clip.beats and clip.bpm is not None]
    metres = np.array([max(position for _, position in clip.beats) for clip in clips])
    if set(METRES) - set(metres.tolist()):
        raise DataError(f"{folder}: has not music in all metres from {METRES[0]} to {METRES[-1]}")
    rows = np.stack([_features(store, clip, spec, encode) for clip in clips])
    kept = np.isin(metres, METRES)
    weights, bias = _regression(rows[kept], np.searchsorted(METRES, metres[kept]))
    return json.dumps({"weights": _short(weights), "bias": _short(bias)})


def no_metre() -> str:
    """Return a classifier that tells nothing, for the time before it is fitted."""
    return json.dumps({"weights": [[0.0] * N_FEATURES] * N_METRES, "bias": [0.0] * N_METRES})


def _features(
    store: Store, clip: Clip, spec: BeatSpec, encode: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float64]:
    log_mel = store.frames_of(clip).astype(np.float32)
    collector = ActivationCollector(spec, encode)
    collector.push(log_mel)
    duration = len(log_mel) / spec.front_end.frame_rate
    known = Estimate(clip.bpm, 1.0, 1.0, (), None, duration, "known", steady=True)
    return BeatDecoder(spec).features(collector.finish(), log_mel, rise_of(log_mel, None), known)


def _regression(
    rows: NDArray[np.float64], classes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights, shape=(n_metres, n_features), and bias of the features as they are."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    features = torch.from_numpy((rows - mean) / scale)
    wanted = torch.from_numpy(classes)
    linear = nn.Linear(rows.shape[1], N_METRES, dtype=torch.float64)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    counts = np.bincount(classes, minlength=N_METRES)
    balance = torch.from_numpy(len(classes) / (N_METRES * counts))
    optimiser = torch.optim.LBFGS(linear.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(linear(features), wanted, weight=balance)
        loss = loss + _DECAY * linear.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(step)  # type: ignore[no-untyped-call]
    weights = linear.weight.detach().numpy() / scale
    return weights, linear.bias.detach().numpy() - weights @ mean


def _short(values: NDArray[np.float64]) -> list[float] | list[list[float]]:
    rounded: list[float] | list[list[float]] = np.round(values, 4).tolist()
    return rounded
