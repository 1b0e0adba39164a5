"""Encode audio."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import soundfile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def encode_flac(samples: NDArray[np.float32], *, sample_rate: int) -> bytes:
    """Encode mono samples, shape=(n_samples,), full scale 1, as a FLAC file of 16 bits."""
    # In memory, since libsndfile reports no useful error for a full disk.
    file = BytesIO()
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
