"""What neighbours share: by hand, and on a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.training.contrastive import ContrastiveConfig, ContrastiveNetwork  # noqa: E402
from tempocli.training.locality import equal_pairs, measure, neighbour_share, tempo_pairs  # noqa: E402
from tempocli.training.store import open_store  # noqa: E402


def test_tempi_within_four_percent_and_octaves() -> None:
    bpms = np.array([100.0, 103.9, 106.0, 51.0, 399.0])
    assert tempo_pairs(bpms, folded=False)[0].tolist() == [True, True, False, False, False]
    assert tempo_pairs(bpms, folded=True)[0].tolist() == [True, True, False, True, True]


def test_neighbours_of_clusters_share_their_name() -> None:
    rng = np.random.default_rng(0)
    names = [f"{index % 4}" for index in range(48)]
    centres = np.eye(4, 8)
    embeddings = np.stack([centres[int(name)] + rng.normal(0, 0.05, 8) for name in names]).astype(np.float32)
    found, chance = neighbour_share(embeddings, equal_pairs(names))
    assert found == 1.0
    assert chance == pytest.approx(11 / 47)
    assert neighbour_share(embeddings, equal_pairs(names), ~equal_pairs(names))[0] == 0.0


def test_a_network_is_measured(data_folder: Path) -> None:
    torch.manual_seed(0)
    network = ContrastiveNetwork(ContrastiveConfig()).eval()
    found, chance = measure(network, open_store(data_folder / "clicks"), open_store(data_folder / "audio"))
    for share in (found.tempo, found.folded, chance.tempo, chance.folded):
        assert 0.0 <= share <= 1.0
    assert chance.folded >= chance.tempo
    assert found.style == chance.style == 1.0
