"""Resample a signal given in blocks, with libsoxr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], rate_in: int, rate_out: int
) -> Iterator[NDArray[np.float32]]:
    """Resample a signal given in blocks.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `rate_in`.
    rate_in, rate_out : int
        In Hz.

    Yields
    ------
    ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `rate_out`; never empty.
    """
    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        resampled = stream.resample_chunk(block)
        if len(resampled):
            yield resampled
    tail = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    if len(tail):
        yield tail


def blocks_at_rate(
    blocks: Iterator[NDArray[np.float32]], rate_in: int, rate_out: int
) -> Iterator[NDArray[np.float32]]:
    """Resample blocks if the rates differ; otherwise return `blocks` unchanged."""
    return blocks if rate_in == rate_out else resample_blocks(blocks, rate_in, rate_out)
