"""The results of the study's runs: one small JSON file each, so that a finished run is never done again.

The files are committed, so a study goes on after a move to another machine, where the runs' folders with
their checkpoints are lost. Each names the data and the settings that it was made from; results of other
data, settings or measures are refused rather than mixed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import DataError
from tempocli.training.data.store import open_stores
from tempocli.training.identity import identity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.recipe import Recipe

MEASURES = 3  # raise it when scores of the same network change
SECONDS, CHOSEN = "seconds.json", "chosen.json"
_POINTS = 24  # of a curve


def data_identity(data: Path, stores: Iterable[str]) -> str:
    """Return a hash of what the stores of a data folder list: names, lengths, labels, and the front end.

    It does not depend on the order in which clips were finished, nor on rounding of the frames.

    Parameters
    ----------
    data : Path
    stores : iterable of str

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    DataError
        If a store is missing or damaged.
    """
    digest = hashlib.sha256()
    for name, store in sorted(open_stores(data, sorted(stores)).items()):
        digest.update(f"{name} {store.front_end.to_json()}\n".encode())
        for clip in sorted(store.clips, key=lambda clip: clip.name):
            record = clip.record()
            del record["start"]
            digest.update(json.dumps(record, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:16]


def origin(recipe: Recipe | None, data: str, seconds: float) -> dict[str, Any]:
    """Return what a result is made from.

    Parameters
    ----------
    recipe : Recipe or None
        ``None`` for a baseline without training.
    data : str
        As `data_identity` returns it; empty for a baseline.
    seconds : float
        CPU seconds a step, by which the budget became a number of steps.
    """
    settings = None if recipe is None else settings_of(recipe)
    return {"measures": MEASURES, "data": data, "settings": settings, "seconds_per_step": seconds}


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a recipe that affect the weights and differ from their defaults."""
    settings: dict[str, Any] = json.loads(identity(recipe))["settings"]
    return settings


def read(path: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Read a result, or return ``None`` if there is none yet.

    Parameters
    ----------
    path : Path
    wanted : dict
        What it must be made from, see `origin`.

    Raises
    ------
    DataError
        If it is damaged, or made from something else.
    """
    if not path.is_file():
        return None
    found = load(path)
    for key in ("measures", "data", "settings"):
        if found["origin"][key] != wanted[key]:
            raise DataError(
                f"{path}: made with other {key} ({_short(found['origin'][key])}, not {_short(wanted[key])}); "
                "name another folder with --results, or delete the file to run it again"
            )
    return found


def load(path: Path) -> dict[str, Any]:
    """Read a result, whatever it is made from.

    Raises
    ------
    DataError
        If it is damaged.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = {"origin", "scores"} - found.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: damaged ({error})") from error
    if missing:
        raise DataError(f"{path}: damaged (no {', '.join(sorted(missing))})")
    return found


def load_chosen(path: Path) -> dict[str, dict[str, Any]]:
    """Read what was chosen for each loss by its search.

    Returns
    -------
    dict
        ``settings``: for each loss, what is changed in its recipe, see `study.runs.choose`. ``found``: for
        each run of the search, how many held-out tracks it found, in percent.

    Raises
    ------
    DataError
        If it is damaged.
    """
    try:
        content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        found = {key: content[key] for key in ("settings", "found")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error})") from error
    return found


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")
    partial.replace(path)


def curves(history: Path) -> dict[str, list[float]]:
    """Return a run's loss, and what its held-out tracks score, at up to 24 steps.

    Parameters
    ----------
    history : Path
        The file ``history.jsonl`` of a run.

    Returns
    -------
    dict of str to list of float
        ``step``, ``loss`` (mean since the previous point) and one list for each score.
    """
    lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    scored = [index for index, line in enumerate(lines) if any(key.startswith("validation_") for key in line)]
    if len(scored) > _POINTS:
        scored = [scored[index] for index in np.linspace(0, len(scored) - 1, _POINTS).round().astype(int)]
    found: dict[str, list[float]] = {"step": [], "loss": []}
    before = 0
    for index in scored:
        found["step"].append(lines[index]["step"])
        found["loss"].append(_rounded(np.mean([line["loss"] for line in lines[before : index + 1]])))
        for key, value in lines[index].items():
            if key.startswith("validation_"):
                found.setdefault(key.removeprefix("validation_"), []).append(_rounded(value))
        before = index + 1
    return found


def pack_right(right: NDArray[np.bool_]) -> str:
    """Return which files are right, shape=(n,), as text."""
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def unpack_right(text: str, n: int) -> NDArray[np.bool_]:
    """Return which of n files are right, shape=(n,)."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(bool)


def pack_ranks(predicted: NDArray[np.float64]) -> str:
    """Return the order of up to 256 files by each tag, all that average precision depends on, as text.

    Parameters
    ----------
    predicted : ndarray, shape=(n, n_tags)
    """
    ranks = np.argsort(np.argsort(-predicted, axis=0, kind="stable"), axis=0)
    return base64.b64encode(ranks.astype(np.uint8).tobytes()).decode()


def unpack_ranks(text: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return scores of files by each tag that have the order packed, shape=(n, n_tags)."""
    ranks = np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
    return -ranks.astype(np.float64)


def _rounded(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 40 else hashlib.sha256(text.encode()).hexdigest()[:8]
