"""How alike two tracks are: the weighted mean of the cosines of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tempocli.inference.music import PartSpec

# Chosen on training music kept out of training. The spectrum is for probes: the timbre contains it.
WEIGHTS: Mapping[str, float] = {"timbre": 1.0, "rhythm": 1.0, "chroma": 0.3, "spectrum": 0.0}


def check_weights(weights: Mapping[str, float], parts: Sequence[PartSpec]) -> None:
    """Raise ValueError if the weights name no part, are negative, not finite, or all zero."""
    names = [part.name for part in parts]
    for name, weight in weights.items():
        if name not in names:
            raise ValueError(f"there is no part {name!r}; the parts are {', '.join(names)}")
        if not 0.0 <= weight < np.inf:
            raise ValueError(f"the weight {weight:g} of {name} is negative or not finite")
    if not any(weights.values()):
        raise ValueError("all weights are zero")


def weighted(parts: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float]) -> NDArray[np.float32]:
    """Join the parts of a vector such that a dot product with joined parts is their similarity.

    Parameters
    ----------
    parts : dict of str to ndarray of float32, shape=(..., dim)
        Of unit length.
    weights : dict of str to float
        Weight of each part; parts without one are left out.

    Returns
    -------
    ndarray of float32, shape=(..., sum of dims)
        Each part is multiplied by its share of the weights. The dot product with a vector of plain parts is
        the weighted mean of the cosines, -1 to 1.
    """
    total = sum(weights.values())
    kept = [vector * np.float32(weights.get(name, 0.0) / total) for name, vector in parts.items()]
    return np.concatenate(kept, axis=-1)
