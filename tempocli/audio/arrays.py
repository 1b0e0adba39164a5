"""Arrays of samples in memory, as the blocks that a file gives."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.audio.checks import check_sample_rate, check_samples
from tempocli.audio.resampling import resample_blocks
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def array_blocks(
    samples: NDArray[Any], sample_rate: int, *, wanted_rate: int
) -> Iterable[NDArray[np.float32]]:
    """Check samples in memory, average their channels and resample them.

    Parameters
    ----------
    samples : ndarray, shape=(n_samples,) or (n_samples, n_channels)
        Floats with full scale 1, or signed integers with their own full scale. Tensors and others that numpy
        takes as arrays will do; lists will not.
    sample_rate, wanted_rate : int
        In Hz.

    Returns
    -------
    iterable of ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `wanted_rate`.

    Raises
    ------
    AudioError
        If the samples have an unsupported shape or type, are NaN, infinite or far above full scale, or
        the sample rate is not plausible.
    """
    if not isinstance(sample_rate, Real):
        raise AudioError("array", f"its sample rate is of type {type(sample_rate).__name__}, not a number")
    check_sample_rate(float(sample_rate), "array")
    mono = _mono(_as_array(samples))
    if len(mono):
        check_samples(mono, "array")
    mono = mono.astype(np.float32, copy=False)
    return [mono] if sample_rate == wanted_rate else resample_blocks([mono], sample_rate, wanted_rate)


def is_array(source: object) -> bool:
    """Return whether a source is samples in memory, or meant to be: an array, a tensor, a list."""
    return hasattr(source, "__array__") or isinstance(source, list | tuple)


def _as_array(samples: object) -> NDArray[Any]:
    if isinstance(samples, np.ndarray):
        return samples
    kind = type(samples).__name__
    if not hasattr(samples, "__array__"):
        raise AudioError("array", f"a {kind} is not an array of samples: convert it with numpy.asarray")
    try:
        return np.asarray(samples)
    except (TypeError, ValueError, RuntimeError) as error:  # such as a tensor on a GPU, or with a gradient
        raise AudioError("array", f"a {kind} cannot be converted to a numpy array: {error}") from error


def _mono(samples: NDArray[Any]) -> NDArray[Any]:
    """Average the channels of an array and scale full scale to 1."""
    signed = np.issubdtype(samples.dtype, np.signedinteger)
    if not signed and not np.issubdtype(samples.dtype, np.floating):
        raise AudioError("array", f"its dtype {samples.dtype} is neither float nor signed integer")
    if samples.ndim not in {1, 2} or (samples.ndim == 2 and not samples.shape[1]):
        raise AudioError(
            "array", f"shape {samples.shape} is neither (n_samples,) nor (n_samples, n_channels)"
        )
    if samples.ndim == 2 and 0 < len(samples) < samples.shape[1]:
        # An array of shape (n_channels, n_samples), as in other libraries, would be taken for short audio.
        raise AudioError("array", f"shape {samples.shape} has more channels than samples: transpose it")
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    return mono / -float(np.iinfo(samples.dtype).min) if signed else mono
