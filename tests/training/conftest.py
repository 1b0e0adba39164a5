"""A small data folder of click tracks, and a recipe that trains on it in seconds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tempocli.features.front_end import FrontEnd
from tempocli.training.data.store import StoreWriter

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """
kind = "tempo"
name = "small"
steps = 6
batch_size = 6
unlabelled_size = 2
unlabelled = "audio"
equivariance_start = 2
validate_every = 3
checkpoint_every = 2

[mix]
clicks = 1.0

[network]
channels = 16
n_blocks = 1
time_channels = 8
time_blocks = 2
"""


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Or what a test draws would follow from the tests before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory, click_track) -> Path:
    folder = tmp_path_factory.mktemp("data")
    front_end = FrontEnd()
    rng = np.random.default_rng(0)
    for kind, labelled in (("clicks", True), ("audio", False)):
        with StoreWriter(folder / kind, front_end) as writer:
            for index in range(40):
                bpm = float(np.exp(rng.uniform(np.log(50), np.log(200))))
                log_mel = front_end.log_mel(click_track(bpm, 18.0))
                label = bpm if labelled else None
                writer.add(f"{kind}-{index}", log_mel, bpm=label, style="clicks", group=f"{kind}-{index}")
    return folder


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def recipe(recipe_file: Path):
    pytest.importorskip("torch", reason="needs the extra 'train' (torch)")
    from tempocli.training.kinds import load_recipe

    return load_recipe(recipe_file)
