"""What neighbours share: by hand, and on a store."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.training.contrastive.network import ContrastiveConfig  # noqa: E402
from tempocli.training.contrastive.probing import (  # noqa: E402
    equal_pairs,
    neighbour_share,
    rate_share,
    tempo_pairs,
)
from tempocli.training.data.store import open_store  # noqa: E402


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


class PulseCounter(torch.nn.Module):
    """Embeds a window of clicks as their rate: what a perfect encoder of tempo would do."""

    config = ContrastiveConfig(embedding_dim=128)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        curve = windows.mean(dim=2)
        padded = torch.fft.rfft(curve - curve.mean(dim=1, keepdim=True), n=4096, dim=1).abs()
        return padded[:, 16:144] ** 4


class Deaf(PulseCounter):
    """Embeds all windows alike."""

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(windows), 128)


def test_a_copy_at_the_own_rate_is_nearest_to_who_hears_tempo(data_folder: Path) -> None:
    store = open_store(data_folder / "clicks")
    frames = np.zeros((4096, 40), np.float16)
    frames[::40] = 1.0
    store = replace(store, frames=frames)
    clip = replace(store.clips[0], start=0, length=len(frames))
    assert rate_share(PulseCounter(), store, [clip]) == 1.0
    assert rate_share(Deaf(), store, [clip]) == pytest.approx(0.2)
    assert math.isnan(rate_share(Deaf(), store, [replace(clip, length=1000)]))
