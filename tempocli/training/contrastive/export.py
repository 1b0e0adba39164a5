"""Export of a contrastive encoder to ONNX, as a model of the music embedding."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from tempocli.features.chroma import ChromaFrontEnd
from tempocli.features.rhythm import RhythmAxis
from tempocli.inference.session.runtime import open_session
from tempocli.training.contrastive.sampler import ExcerptSampler
from tempocli.training.contrastive.statistics import Whitened, embed_pieces, spectrum_scale, whitening
from tempocli.training.export import in_torch, parity, proven, refuse_difference, save, to_onnx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from tempocli.training.contrastive.recipe import ContrastiveRecipe

_FORMAT = "music-1"
_PIECES = 3  # of a window
_SAMPLE = 4000  # pieces, and windows, that the statistics are computed from
# Four bands and 36 bins an octave find another part of a track, played faster, as well as more bands do.
_RHYTHM = RhythmAxis(min_bpm=33.0, bins_per_octave=36, n_bins=180, n_bands=4)


def export_contrastive(network: nn.Module, recipe: ContrastiveRecipe, data: Path, path: Path) -> float:
    """Export a contrastive encoder to ONNX (``log_mel`` to ``embedding``) and verify it against torch.

    The embedding is whitened, and the scale of the spectrum part is measured, on tracks for training.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    recipe : ContrastiveRecipe
    data : Path
        Data folder with the stores that the recipe names.
    path : Path
        Written only if the check passes.

    Returns
    -------
    float
        Largest difference from torch.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more; nothing is written.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    sampler = ExcerptSampler(data, recipe)
    n_frames, front_end = recipe.network.n_frames, sampler.front_end
    embeddings = embed_pieces(network, sampler.plain(_SAMPLE, n_frames))
    whitened = Whitened(network, *whitening(embeddings, strength=recipe.whitening)).eval()
    mean, scale = spectrum_scale(sampler.plain(_SAMPLE, _PIECES * n_frames))
    example = torch.zeros(2, n_frames, front_end.n_mels)
    model = to_onnx(whitened, {"log_mel": example}, {"log_mel": "windows"}, ["embedding"])
    chroma = ChromaFrontEnd()
    metadata = {
        "version": _FORMAT,
        "name": recipe.name,
        "model_version": recipe.version,
        "front_end": front_end.to_json(),
        "n_frames": json.dumps(n_frames),
        "pieces": json.dumps(_PIECES),
        "rhythm": json.dumps(asdict(_RHYTHM)),
        "chroma": json.dumps({"n_fft": chroma.n_fft, "hop_length": chroma.hop_length}),
        "spectrum_mean": _listed(mean),
        "spectrum_scale": _listed(scale),
    }
    with proven(path) as partial:
        save(model, partial, metadata)
        difference = parity(_run(partial), in_torch(whitened), sampler.validation()[0])
        refuse_difference(difference)
    return difference


def _listed(values: NDArray[np.float32]) -> str:
    return json.dumps([float(f"{value:.5g}") for value in values])


def _run(path: Path) -> Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]:
    session = open_session(path, "cpu", 1)
    width = session.width("embedding")

    def run(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return tuple(session.run({"embedding": (len(windows), width)}, {"log_mel": windows}))

    return run
