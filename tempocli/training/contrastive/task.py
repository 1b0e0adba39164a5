"""The contrastive encoder: excerpts of one track are alike, of different tracks are not (McCallum 2022).

What the two views of a track are augmented with is what the embedding forgets (McCallum 2024), so each
recipe says it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from tempocli.errors import DataError
from tempocli.training.data.store import Clip, open_store
from tempocli.training.data.views import ViewConfig, augment, pitch_shift, stretch
from tempocli.training.engine import fit
from tempocli.training.recipe import read_recipe
from tempocli.training.tempo.sampler import Groups, is_kept_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

# One package in so many is kept for measuring: the table of localities needs several of them.
KEPT_OUT_SHARE = 4
_VALIDATION_TRACKS = 128


@dataclass(frozen=True, slots=True)
class ContrastiveConfig:
    """Sizes of the encoder.

    Attributes
    ----------
    n_frames, n_mels : int
        Shape of a window; 256 frames are 3 s.
    channels : tuple of int
        Of the convolutions over time, each of which halves the frame rate.
    n_blocks : int
        Residual blocks after them, each with twice the dilation of the last.
    embedding_dim, projection_dim : int
        Length of the embedding, and of its projection that only the loss sees.
    """

    n_frames: int = 256
    n_mels: int = 40
    channels: tuple[int, ...] = (64, 128, 192, 256)
    n_blocks: int = 2
    embedding_dim: int = 256
    projection_dim: int = 128


@dataclass(frozen=True, slots=True)
class ContrastiveRecipe:
    """One training run of a contrastive encoder.

    Attributes
    ----------
    name : str
    stores : dict of str to float
        Share of each store of unlabelled music in a batch, by folder name.
    seed, steps : int
    tracks : int
        Tracks in a step; all the others are what each must be told from.
    reach : float
        Seconds between the two excerpts of a track at the most.
    temperature : float
        Of NT-Xent.
    semitones, max_stretch : float
        Largest pitch shift, and logarithm of the largest stretch, drawn for each view; 0 for none.
    learning_rate, weight_decay, ema
        As in `tempocli.training.recipe.Recipe`.
    validate_every, checkpoint_every : int
        In steps.
    network : ContrastiveConfig
    augmentation : ViewConfig
        Gain, equaliser, noise floor and silenced bands of each view.
    """

    name: str
    stores: dict[str, float]
    seed: int = 0
    steps: int = 800
    tracks: int = 96
    reach: float = 10.0
    temperature: float = 0.1
    semitones: float = 0.0
    max_stretch: float = 0.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    ema: float = 0.99
    validate_every: int = 200
    checkpoint_every: int = 200
    network: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    augmentation: ViewConfig = field(default_factory=ViewConfig)

    def identity(self) -> str:
        """Describe all that decides the weights."""
        return repr(self)


def load_contrastive_recipe(path: Path) -> ContrastiveRecipe:
    """Read a recipe.

    Raises
    ------
    DataError
        If the file cannot be read, or holds a setting that does not exist or has the wrong type.
    """
    parts = {"network": ContrastiveConfig, "augmentation": ViewConfig}
    recipe: ContrastiveRecipe = read_recipe(path, ContrastiveRecipe, parts)
    return recipe


class ContrastiveNetwork(nn.Module):
    """Log-mel windows to embeddings, with the projection that only the loss sees.

    Parameters
    ----------
    config : ContrastiveConfig
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [nn.BatchNorm1d(config.n_mels)]
        before = config.n_mels
        for width in config.channels:
            layers += [nn.Conv1d(before, width, 5, stride=2, padding=2), nn.BatchNorm1d(width), nn.ReLU()]
            before = width
        self.stem = nn.Sequential(*layers)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(before, before, 3, padding=2**depth, dilation=2**depth),
                nn.BatchNorm1d(before),
                nn.ReLU(),
            )
            for depth in range(config.n_blocks)
        )
        self.embedding = nn.Linear(2 * before, config.embedding_dim)
        self.projection = nn.Sequential(
            nn.ReLU(),
            nn.Linear(config.embedding_dim, config.embedding_dim),
            nn.ReLU(),
            nn.Linear(config.embedding_dim, config.projection_dim),
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """Embed windows, shape=(batch, n_frames, n_mels), to shape=(batch, embedding_dim)."""
        x = self.stem(log_mel.transpose(1, 2))
        for block in self.blocks:
            x = x + block(x)
        embedding: Tensor = self.embedding(torch.cat([x.mean(dim=-1), x.amax(dim=-1)], dim=1))
        return embedding


def nt_xent(a: Tensor, b: Tensor, *, temperature: float) -> Tensor:
    """NT-Xent: every row of `a` must find its own row of `b` among all the others, and the other way round.

    Parameters
    ----------
    a, b : Tensor of float32, shape=(batch, dim)
        Projections of the two views.
    temperature : float

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020; in music
    McCallum et al., ISMIR 2022.
    """
    views = nn.functional.normalize(torch.cat([a, b]), dim=1)
    similarity = views @ views.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    target = torch.arange(len(views), device=views.device).roll(len(a))
    return nn.functional.cross_entropy(similarity, target)


class ExcerptSampler:
    """Cuts two windows from each of several tracks.

    Raises
    ------
    DataError
        If a store is missing, empty, or was made with another front end than the first.
    """

    def __init__(self, data: Path, recipe: ContrastiveRecipe) -> None:
        self._recipe = recipe
        if not recipe.stores:
            raise DataError("the recipe names no stores")
        self._stores = [open_store(data / name) for name in recipe.stores]
        self.front_end = self._stores[0].front_end
        if any(store.front_end != self.front_end for store in self._stores):
            raise DataError(f"{data}: the stores were made with different front-end settings")
        shares = np.array(list(recipe.stores.values()))
        self._shares = shares / shares.sum()
        self._groups = []
        self._kept_out: list[tuple[int, Clip]] = []
        for index, store in enumerate(self._stores):
            clips = [clip for clip in store.clips if not is_kept_out(clip, KEPT_OUT_SHARE)]
            if not clips:
                raise DataError("too few clips to train on")
            self._groups.append(Groups(clips))
            self._kept_out += [(index, clip) for clip in store.clips if is_kept_out(clip, KEPT_OUT_SHARE)]

    def batch(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Make the two views of a step's tracks, each of shape=(tracks, n_frames, n_mels)."""
        rng = np.random.default_rng([self._recipe.seed, step])
        chosen: dict[tuple[int, int], tuple[int, Clip]] = {}
        for _ in range(4 * self._recipe.tracks):
            which = int(rng.choice(len(self._stores), p=self._shares))
            clip = self._groups[which].draw(rng)
            # A track twice in a batch would have to be told from itself.
            chosen[which, clip.start] = (which, clip)
            if len(chosen) == self._recipe.tracks:
                break
        return self._views(list(chosen.values()), rng)

    def validation(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Make the two views of tracks kept out of training, the same every time.

        Raises
        ------
        DataError
            If none was kept out.
        """
        if not self._kept_out:
            raise DataError("too few tracks: none is left for validation")
        rng = np.random.default_rng([self._recipe.seed, 2**31])
        order = rng.permutation(len(self._kept_out))[:_VALIDATION_TRACKS]
        return self._views([self._kept_out[index] for index in order], rng)

    def _views(
        self, tracks: list[tuple[int, Clip]], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pairs = [self._pair(which, clip, rng) for which, clip in tracks]
        return np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs])

    def _pair(self, which: int, clip: Clip, rng: np.random.Generator) -> list[NDArray[np.float32]]:
        recipe, n_frames = self._recipe, self._recipe.network.n_frames
        frames = self._stores[which].frames[clip.start : clip.start + clip.length]
        spare = max(0.0, clip.length - np.exp(recipe.max_stretch) * n_frames - 2)
        first = rng.uniform(0.0, spare)
        reach = recipe.reach * self.front_end.frame_rate
        starts = [first, float(np.clip(first + rng.uniform(-reach, reach), 0.0, spare))]
        return [self._view(frames, start, rng) for start in starts]

    def _view(
        self, frames: NDArray[np.float16], start: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        recipe = self._recipe
        rate = float(np.exp(rng.uniform(-recipe.max_stretch, recipe.max_stretch)))
        view = stretch(frames, start=start, rate=rate, n_frames=recipe.network.n_frames)
        if recipe.semitones:
            shift = float(rng.uniform(-recipe.semitones, recipe.semitones))
            view = pitch_shift(view, shift, self.front_end)
        return augment(view, recipe.augmentation, self.front_end, rng)


class ContrastiveTask:
    """One step of contrastive training, and its score: tracks whose other view is the nearest, in percent."""

    def __init__(self, recipe: ContrastiveRecipe, sampler: ExcerptSampler) -> None:
        self._recipe = recipe
        self.batch = sampler.batch
        self._validation = sampler.validation()

    def loss(
        self,
        network: ContrastiveNetwork,
        batch: tuple[NDArray[np.float32], NDArray[np.float32]],
        step: int,
        device: str,
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        windows = torch.from_numpy(np.concatenate(batch)).to(device)
        a, b = network.projection(network(windows)).chunk(2)
        loss = nt_xent(a, b, temperature=self._recipe.temperature)
        return loss, {"loss": loss.item()}

    @torch.inference_mode()
    def validate(self, network: ContrastiveNetwork, device: str) -> dict[str, float]:
        """Score tracks kept out."""
        a, b = (network(torch.from_numpy(views).to(device)).cpu() for views in self._validation)
        similarity = nn.functional.normalize(a, dim=1) @ nn.functional.normalize(b, dim=1).T
        found = similarity.argmax(dim=1) == torch.arange(len(a))
        return {"validation_found": 100.0 * float(found.float().mean())}


def train_contrastive(
    recipe: ContrastiveRecipe,
    data: Path,
    out: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[int, dict[str, float]], None] = lambda step, values: None,
) -> Path:
    """Train a contrastive encoder on the unlabelled stores in `data`; as `engine.fit` has it.

    Raises
    ------
    DataError
        If the data do not fit the recipe, or the checkpoint is of another recipe.
    """
    task = ContrastiveTask(recipe, ExcerptSampler(data, recipe))
    return fit(
        lambda: ContrastiveNetwork(recipe.network),
        task,
        recipe,
        out,
        device=device,
        threads=threads,
        report=report,
    )
