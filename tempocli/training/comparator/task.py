"""Training the comparator (Henkel 2024): pairs of excerpts of unlabelled tracks, played at known rates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from tempocli.comparator import OctavePrior
from tempocli.errors import DataError
from tempocli.training.comparator.build import build_comparator
from tempocli.training.comparator.network import ComparatorConfig, ComparatorNetwork
from tempocli.training.data.store import Clip, Store, open_store
from tempocli.training.data.views import ViewConfig, augment, stretch
from tempocli.training.engine import fit
from tempocli.training.recipe import read_recipe
from tempocli.training.tempo.sampler import Groups, is_validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

# Ratios of tempi that are easily taken for one: octaves, thirds, and three against two.
_CONFUSIONS = tuple(np.log([4 / 3, 3 / 2, 2.0]))
_OCTAVE = float(np.log(2.0))
_VALIDATION_TRACKS = 96
_WITHOUT_ENCODER = ("modulation", "learned")
INPUTS = (*_WITHOUT_ENCODER, "equivariant", "contrastive")


@dataclass(frozen=True, slots=True)
class ComparisonRecipe:
    """One training run of a comparator.

    Attributes
    ----------
    name : str
        Name of the model.
    stores : dict of str to float
        Share of each store of unlabelled music in a batch, by folder name; tempi that a store may hold are
        never read.
    input : str
        What the comparator reads, one of `INPUTS`: no encoder, or a frozen one, trained without labels by
        ``tempo train tempo`` or by ``tempo train contrastive``.
    encoder : str
        Recipe of the encoder, if the input has one.
    seed, steps : int
        Every draw follows from the seed and the number of the step.
    tracks, views : int
        Tracks in a step, and windows cut from each; every two windows of a track are a pair.
    neighbourhood : float
        Seconds of a track within which its windows lie: tempi drift.
    same, different : float
        Largest difference of log-rates that is the same tempo, and smallest that is another; in between a
        pair counts for nothing.
    spread : float
        Rates are ``exp(u)`` with ``u`` within plus or minus this.
    copies, hard : float
        Share of views at the rate of another view, and of the others that lie within 12 % of one.
    octaves : float
        Share of those others that are exactly an octave from one, beside the few that always are.
    ratio : float
        Weight of the loss of telling such octaves, and which way; 0 leaves it out.
    learning_rate, weight_decay, ema
        As in `tempocli.training.recipe.Recipe`.
    validate_every, checkpoint_every : int
        In steps.
    calibration : dict of str to float
        Stores of clips of known tempo on which the export fits the confidence; training never opens them.
    prior : OctavePrior
        Of the decoder; like `calibration` it has no part in the training.
    network : ComparatorConfig
    augmentation : ViewConfig
        How a window may differ from its track, its rate left aside.
    """

    name: str
    stores: dict[str, float]
    input: str = "modulation"
    encoder: str = ""
    seed: int = 0
    steps: int = 2000
    tracks: int = 32
    views: int = 6
    neighbourhood: float = 45.0
    same: float = 0.012
    different: float = 0.028
    spread: float = 0.45
    copies: float = 0.3
    hard: float = 0.5
    octaves: float = 0.0
    ratio: float = 0.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    ema: float = 0.998
    validate_every: int = 250
    checkpoint_every: int = 250
    calibration: dict[str, float] = field(default_factory=dict)
    prior: OctavePrior = field(default_factory=OctavePrior)
    network: ComparatorConfig = field(default_factory=ComparatorConfig)
    augmentation: ViewConfig = field(default_factory=ViewConfig)

    def __post_init__(self) -> None:
        if self.input not in INPUTS:
            raise ValueError(f"the input is none of {', '.join(INPUTS)}")
        if (self.input in _WITHOUT_ENCODER) == bool(self.encoder):
            raise ValueError("an encoder goes with the inputs equivariant and contrastive, and with no other")

    def identity(self) -> str:
        """Describe all that decides the weights, so that a run goes on with its own recipe only."""
        return repr(replace(self, calibration={}, prior=OctavePrior()))


def load_comparison_recipe(path: Path) -> ComparisonRecipe:
    """Read a recipe.

    Raises
    ------
    DataError
        If the file cannot be read, or holds a setting that does not exist or has the wrong type.
    """
    recipe: ComparisonRecipe = read_recipe(
        path,
        ComparisonRecipe,
        {"network": ComparatorConfig, "augmentation": ViewConfig, "prior": OctavePrior},
    )
    return recipe


@dataclass(frozen=True, slots=True)
class TrackViews:
    """Windows of several tracks, each at its own known rate.

    Attributes
    ----------
    windows : ndarray of float32, shape=(tracks * views, n_frames, n_mels)
    log_rates : ndarray of float32, shape=(tracks, views)
        Natural logarithms of the rates.
    """

    windows: NDArray[np.float32]
    log_rates: NDArray[np.float32]


class PairSampler:
    """Cuts windows of unlabelled tracks at known rates.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores that the recipe names.
    recipe : ComparisonRecipe

    Raises
    ------
    DataError
        If a store is missing, empty, or was made with another front end than the first.
    """

    def __init__(self, data: Path, recipe: ComparisonRecipe) -> None:
        self._recipe = recipe
        if not recipe.stores:
            raise DataError("the recipe names no stores")
        self._stores = [open_store(data / name) for name in recipe.stores]
        self.front_end = self._stores[0].front_end
        if any(store.front_end != self.front_end for store in self._stores):
            raise DataError(f"{data}: the stores were made with different front-end settings")
        shares = np.array(list(recipe.stores.values()))
        self._shares = shares / shares.sum()
        self._groups = [Groups(self._part(store, kept_out=False)) for store in self._stores]

    def _part(self, store: Store, *, kept_out: bool) -> list[Clip]:
        # Shorter clips than the fastest view needs would be padded, and padding tells the rate.
        shortest = np.exp(self._recipe.spread) * self._recipe.network.n_frames + 2
        clips = [clip for clip in store.clips if clip.length > shortest and is_validation(clip) == kept_out]
        if not clips and not kept_out:
            raise DataError("too few long clips to train on")
        return clips

    def batch(self, step: int) -> TrackViews:
        """Make the batch of a step."""
        rng = np.random.default_rng([self._recipe.seed, step])
        windows, rates = [], []
        for _ in range(self._recipe.tracks):
            which = int(rng.choice(len(self._stores), p=self._shares))
            track, log_rates = self._track(self._stores[which], self._groups[which].draw(rng), rng)
            windows += track
            rates.append(log_rates)
        return TrackViews(np.stack(windows), np.stack(rates))

    def validation(self) -> TrackViews:
        """Make a batch of tracks kept out of training, the same every time.

        Raises
        ------
        DataError
            If none was kept out.
        """
        rng = np.random.default_rng([self._recipe.seed, 2**31])
        windows, rates = [], []
        kept = [(store, clip) for store in self._stores for clip in self._part(store, kept_out=True)]
        if not kept:
            raise DataError("too few tracks: none is left for validation")
        for index in rng.permutation(len(kept))[:_VALIDATION_TRACKS]:
            track, log_rates = self._track(kept[index][0], kept[index][1], rng)
            windows += track
            rates.append(log_rates)
        return TrackViews(np.stack(windows), np.stack(rates))

    def music(self, number: int) -> NDArray[np.float32]:
        """Cut unchanged windows from that many clips, shape=(number, n_frames, n_mels)."""
        store, n_frames = self._stores[0], self._recipe.network.n_frames
        rng = np.random.default_rng(self._recipe.seed)
        clips = [self._groups[0].draw(rng) for _ in range(number)]
        frames = [store.frames[clip.start : clip.start + clip.length] for clip in clips]
        starts = [max(0.0, (clip.length - n_frames) / 2.0) for clip in clips]
        return np.stack(
            [
                stretch(each, start=start, rate=1.0, n_frames=n_frames)
                for each, start in zip(frames, starts, strict=True)
            ]
        )

    def _track(
        self, store: Store, clip: Clip, rng: np.random.Generator
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        recipe, n_frames = self._recipe, self._recipe.network.n_frames
        log_rates = draw_log_rates(recipe, rng)
        frames = store.frames[clip.start : clip.start + clip.length]
        reach = recipe.neighbourhood * self.front_end.frame_rate
        first = rng.uniform(0.0, max(0.0, clip.length - reach))
        last = min(clip.length, first + reach)
        windows = []
        for log_rate in log_rates:
            rate = float(np.exp(log_rate))
            needed = rate * n_frames + 2
            low = min(first, clip.length - needed)
            start = float(rng.uniform(low, max(low, last - needed)))
            window = stretch(frames, start=start, rate=rate, n_frames=n_frames)
            windows.append(augment(window, recipe.augmentation, self.front_end, rng))
        return windows, log_rates


def draw_log_rates(recipe: ComparisonRecipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the log-rates of a track's views: the same, nearly the same, or easily confused.

    Returns
    -------
    ndarray of float32, shape=(views,)
    """
    jitter = 0.25 * recipe.same
    rates = [float(rng.uniform(-recipe.spread, recipe.spread))]
    while len(rates) < recipe.views:
        rate = rates[int(rng.integers(len(rates)))]
        if len(rates) == 1 or rng.random() < recipe.copies:
            rates.append(rate + float(rng.uniform(-jitter, jitter)))
            continue
        draw = rng.random()
        if draw < recipe.hard:
            distance = float(rng.uniform(recipe.different, 0.12))
        elif draw < recipe.hard + 0.15:
            distance = float(rng.choice(_CONFUSIONS))
        elif draw < recipe.hard + 0.15 + recipe.octaves:
            distance = _OCTAVE
        else:
            distance = float(rng.uniform(0.12, 2.0 * recipe.spread))
        choices = [rate + sign * distance for sign in (-1.0, 1.0)]
        choices = [choice for choice in choices if abs(choice) <= recipe.spread]
        if choices:
            rates.append(choices[int(rng.integers(len(choices)))])
    return np.array(rates, np.float32)


def pair_loss(log_odds: Tensor, log_rates: Tensor, *, same: float, different: float) -> Tensor:
    """Binary cross-entropy of same or different, the two kinds of pairs with equal weight.

    Parameters
    ----------
    log_odds : Tensor of float32, shape=(tracks, views, views)
    log_rates : Tensor of float32, shape=(tracks, views)
    same, different : float
        See `ComparisonRecipe`.

    Returns
    -------
    Tensor of float32, scalar
    """
    alike, unlike = _kinds(log_rates, same, different)
    positive = binary_cross_entropy_with_logits(log_odds[alike], torch.ones_like(log_odds[alike]))
    negative = binary_cross_entropy_with_logits(log_odds[unlike], torch.zeros_like(log_odds[unlike]))
    return 0.5 * (positive + negative)


def ratio_loss(octave: Tensor, faster: Tensor, log_rates: Tensor, *, same: float, different: float) -> Tensor:
    """Binary cross-entropies of an octave or not, for pairs that differ, and of its direction.

    Parameters
    ----------
    octave, faster : Tensor of float32, shape=(tracks, views, views)
        Log-odds; see `tempocli.training.comparator.network.RatioHead`.
    log_rates : Tensor of float32, shape=(tracks, views)
    same, different : float
        See `ComparisonRecipe`.

    Returns
    -------
    Tensor of float32, scalar
        0 when no pair is an octave apart.
    """
    _, unlike = _kinds(log_rates, same, different)
    upwards = log_rates[:, None, :] - log_rates[:, :, None]
    apart = unlike & ((torch.abs(upwards) - _OCTAVE).abs() <= same)
    if not apart.any():
        return octave.sum() * 0.0
    positive = binary_cross_entropy_with_logits(octave[apart], torch.ones_like(octave[apart]))
    others = octave[unlike & ~apart]
    negative = binary_cross_entropy_with_logits(others, torch.zeros_like(others))
    way = binary_cross_entropy_with_logits(faster[apart], (upwards[apart] > 0).float())
    return (positive + negative + way) / 3.0


def _kinds(log_rates: Tensor, same: float, different: float) -> tuple[Tensor, Tensor]:
    distance = torch.abs(log_rates[:, :, None] - log_rates[:, None, :])
    # A window is not paired with itself, and no pair is counted twice.
    upper = torch.ones_like(distance, dtype=torch.bool).triu(diagonal=1)
    return upper & (distance <= same), upper & (distance >= different)


class ComparisonTask:
    """One step of training a comparator, and its score: right answers on pairs kept out, in percent."""

    def __init__(self, recipe: ComparisonRecipe, sampler: PairSampler) -> None:
        self._recipe = recipe
        self.batch = sampler.batch
        self._validation = sampler.validation()

    def _embed(self, network: ComparatorNetwork, batch: TrackViews, device: str) -> tuple[Tensor, Tensor]:
        """Embed a batch as the two sides of all pairs of a track."""
        windows = torch.from_numpy(batch.windows).to(device)
        embedding = torch.cat([network.embed(part) for part in torch.split(windows, 256)])
        embedding = embedding.reshape(*batch.log_rates.shape, -1)
        return embedding[:, :, None], embedding[:, None, :]

    def loss(
        self, network: ComparatorNetwork, batch: TrackViews, step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        recipe = self._recipe
        bounds = {"same": recipe.same, "different": recipe.different}
        log_rates = torch.from_numpy(batch.log_rates).to(device)
        a, b = self._embed(network, batch, device)
        loss = pair_loss(network.pair(a, b), log_rates, **bounds)
        values = {"loss": loss.item()}
        if recipe.ratio > 0.0:
            octave, faster = network.ratio(a, b)
            ratio = ratio_loss(octave, faster, log_rates, **bounds)
            loss, values = loss + recipe.ratio * ratio, values | {"ratio": ratio.item()}
        return loss, values

    @torch.inference_mode()
    def validate(self, network: ComparatorNetwork, device: str) -> dict[str, float]:
        """Score pairs of tracks kept out."""
        log_odds = network.pair(*self._embed(network, self._validation, device)).cpu()
        alike, unlike = _kinds(
            torch.from_numpy(self._validation.log_rates), self._recipe.same, self._recipe.different
        )
        return {
            "validation_same": 100.0 * float((log_odds[alike] > 0).float().mean()),
            "validation_different": 100.0 * float((log_odds[unlike] <= 0).float().mean()),
        }


def train_comparison(
    recipe: ComparisonRecipe,
    data: Path,
    out: Path,
    *,
    encoder: Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[int, dict[str, float]], None] = lambda step, values: None,
) -> Path:
    """Train a comparator on the unlabelled stores in `data`; as `engine.fit` has it.

    `encoder` is the folder of the run of the recipe's encoder, if it has one.

    Raises
    ------
    DataError
        If the data or the encoder do not fit the recipe, or the checkpoint is of another recipe.

    References
    ----------
    Henkel et al., "Tempo estimation as fully self-supervised binary classification", ICASSP 2024.
    """
    if bool(recipe.encoder) != (encoder is not None):
        needs = f"the run of an encoder by the recipe {recipe.encoder}" if recipe.encoder else "no encoder"
        raise DataError(f"the recipe {recipe.name} needs {needs}")
    task = ComparisonTask(recipe, PairSampler(data, recipe))
    return fit(
        lambda: build_comparator(recipe, encoder),
        task,
        recipe,
        out,
        device=device,
        threads=threads,
        report=report,
    )
