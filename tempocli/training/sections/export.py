"""Export of a section encoder to ONNX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from tempocli.inference.session.runtime import open_session
from tempocli.inference.structure.sections import FORMAT
from tempocli.training.export import in_torch, parity, proven, refuse_difference, save, to_onnx
from tempocli.training.sections.sampler import CellSampler

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tempocli.training.sections.network import SectionNetwork
    from tempocli.training.sections.recipe import SectionRecipe

    Floats = NDArray[np.float32]


def export_sections(network: SectionNetwork, recipe: SectionRecipe, data: Path, path: Path) -> float:
    """Export a section encoder to ONNX (``cells`` to ``embedding``) and verify it against torch.

    Parameters and errors are those of `tempocli.training.contrastive.export.export_contrastive`.
    """
    sampler = CellSampler(data, recipe)
    config = recipe.network
    dim = config.members * config.embedding_dim
    example = torch.zeros(2, config.n_parts, config.n_mels)
    model = to_onnx(network, {"cells": example}, {"cells": "n_cells"}, ["embedding"])
    metadata = {
        "version": FORMAT,
        "name": recipe.name,
        "model_version": recipe.version,
        "front_end": sampler.front_end.to_json(),
        "n_parts": json.dumps(config.n_parts),
    }
    with proven(path) as partial:
        save(model, partial, metadata)
        session = open_session(partial, "cpu", 1)

        def ours(cells: Floats) -> tuple[Floats, ...]:
            return tuple(session.run({"embedding": (len(cells), dim)}, {"cells": cells}))

        difference = parity(ours, in_torch(network), sampler.validation().cells[:256])
        refuse_difference(difference)
    return difference
