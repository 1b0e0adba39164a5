"""What a run of the study is measured by: probes of frozen vectors, with few labels, too, and their rank."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from music import data as shared
from music import probing, scores

from study.records import pack_ranks, pack_right
from tempocli.audio import load_audio
from tempocli.training.contrastive.statistics import effective_rank
from tempocli.training.data.prepare import MUSIC_FRONT_END

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.contrastive.network import ContrastiveNetwork
    from tempocli.training.contrastive.spectrogram import SpectrogramNetwork

FEW = (0.1, 0.01)
_CLASS_WIDTH = 1.08  # about 4 % to both sides of a tempo
_TEMPI = (50.0, 200.0)
_SECONDS = 120.0


def tempo(folder: Path = shared.SHARED) -> shared.Task:
    """Return the tempo classes, 8 % wide, of the tracks of dev and dev2; others join the outermost."""
    found = [row for name in ("dev", "dev2") for row in shared.rows(folder / f"{name}.csv")]
    bpms = np.clip([float(row["bpm"]) for row in found], *_TEMPI)
    numbers = np.floor(np.log(bpms / _TEMPI[0]) / np.log(_CLASS_WIDTH)).astype(int)
    return shared.classes(
        "tempo", [str(folder / row["path"]) for row in found], [f"{n:02d}" for n in numbers]
    )


def tasks() -> list[shared.Task]:
    """Return all tasks."""
    return [shared.genre(), shared.tags("km_feels"), shared.tags("km_instruments"), shared.notes(), tempo()]


class Spectra:
    """The log-mel spectra of files, kept in a folder.

    Parameters
    ----------
    folder : Path
        Created if missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def __call__(self, path: Path) -> NDArray[np.float32]:
        """Return the first two minutes of a file, shape=(n_frames, n_mels)."""
        kept = self._folder / f"{path.parent.name}-{path.stem}.npy"
        if not kept.is_file():
            samples = load_audio(path, sample_rate=MUSIC_FRONT_END.sample_rate)
            samples = samples[: round(_SECONDS * MUSIC_FRONT_END.sample_rate)]
            np.save(kept, MUSIC_FRONT_END.log_mel(samples).astype(np.float16))
        frames: NDArray[np.float16] = np.load(kept)
        return frames.astype(np.float32)


@torch.inference_mode()
def vectors(
    network: ContrastiveNetwork | SpectrogramNetwork, spectra: Spectra, paths: list[Path]
) -> NDArray[np.float32]:
    """Return the mean of the last features of the pieces of each file, shape=(n, dim).

    The features are those before the embedding (mean and maximum over time). A file shorter than a piece is
    repeated up to its length; frames after the last whole piece are left out.
    """
    n_frames = network.config.n_frames
    found = []
    for path in paths:
        frames = spectra(path)
        if len(frames) < n_frames:
            frames = np.resize(frames, (n_frames, frames.shape[1]))
        whole = frames[: len(frames) // n_frames * n_frames]
        pieces = torch.from_numpy(whole.reshape(-1, n_frames, frames.shape[1]))
        found.append(network.pooled(pieces).mean(dim=0).numpy())
    return np.stack(found)


def statistics(spectra: Spectra, paths: list[Path]) -> NDArray[np.float32]:
    """Return means and deviations of mel bands and of their changes: the plain baseline."""
    found = []
    for path in paths:
        frames = spectra(path)
        change = np.diff(frames, axis=0)
        found.append(
            np.concatenate([each(x, axis=0) for x in (frames, change) for each in (np.mean, np.std)])
        )
    return np.stack(found).astype(np.float32)


def measure(of_paths: Callable[[list[Path]], NDArray[np.float32]]) -> dict[str, Any]:
    """Return the scores of all tasks, those of each file, and the effective rank of the vectors.

    Parameters
    ----------
    of_paths : callable
        From files to their vectors, shape=(n, dim).
    """
    found: dict[str, Any] = {}
    known: dict[Path, NDArray[np.float32]] = {}  # some files are in several tasks
    for task in tasks():
        missing = [path for path in task.paths if path not in known]
        if missing:
            known |= zip(missing, of_paths(missing), strict=True)
        x = np.stack([known[path] for path in task.paths])
        found[task.name] = _scored(task, x)
        if task.name == "genre":
            found["rank"] = effective_rank(x)
            found["deviation"] = float(x.std(axis=0).mean())
        print(task.name, found[task.name]["score"], file=sys.stderr)
    return found


def _scored(task: shared.Task, x: NDArray[np.float32]) -> dict[str, Any]:
    if task.targets.ndim == 2:
        predicted = probing.predict_tags([x], task.targets, "linear", seed=0)
        score = scores.mean_average_precision(task.targets, predicted)
        return {"score": score, "ranks": pack_ranks(predicted)}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        # Notes are enough files for one strength; a nested choice takes sixteen times as long.
        nested = task.name == "genre"
        right = probing.predict_classes([x], task.targets, "linear", seed=0, nested=nested) == task.targets
    found: dict[str, Any] = {"score": float(right.mean()), "right": pack_right(right)}
    if task.name != "tempo":
        found["nearest"] = probing.nearest_share([x], task.targets)
        found["few"] = {str(share): _with_few(task, x, share) for share in FEW}
    return found


def _with_few(task: shared.Task, x: NDArray[np.float32], share: float) -> float:
    """Return the accuracy of a probe that is fitted to a share of the files, at least one of each class."""
    right = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(task.targets))
        first = {int(task.targets[index]): index for index in order[::-1]}
        wanted = max(len(first), round(share * len(order)))
        known = np.array(list(dict.fromkeys([*first.values(), *order]))[:wanted])
        others = np.setdiff1d(order, known)
        scaled = probing.standardised([x], known)
        model = probing.PROBES["linear"](1.0).fit(scaled[known], task.targets[known])
        right.append(float((model.predict(scaled[others]) == task.targets[others]).mean()))
    return float(np.mean(right))
