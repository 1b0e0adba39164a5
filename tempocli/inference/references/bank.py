"""Embedded references: the bundled bank, the cache for other models, and the user's own loops."""

from __future__ import annotations

import hashlib
import io
import logging
import math
import re
from dataclasses import dataclass
from io import BufferedWriter
from typing import TYPE_CHECKING

import numpy as np

from tempocli.audio import load_audio
from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.errors import AudioError, DataError
from tempocli.inference.references.arrays import read_npz
from tempocli.inference.references.patterns import (
    AXIS,
    BANK_VERSION,
    PATTERNS,
    bank,
    synthesise,
)
from tempocli.inference.registry import check_if_ours
from tempocli.inference.spec import checksum_of
from tempocli.system import temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.inference.comparator import Comparator

log = logging.getLogger(__name__)

BUILT_IN = f"built-in {BANK_VERSION}"
_BATCH = 16
_OTHER_BYTES = 65_536  # of a stored bank besides the embeddings: key, checksum, headers
_NUMBER = re.compile(r"(?<![\d.])\d{2,3}(?:\.\d+)?(?![\d.]*\d)")
_NUMBER_BPM = re.compile(r"(\d+(?:\.\d+)?)[ _-]?bpm", re.IGNORECASE)
_AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus", ".m4a")


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Embeddings of references on the bank's tempo axis.

    Attributes
    ----------
    name : str
        Name of the references, independent of the model.
    axis : TempoAxis
        Tempi of the references.
    embeddings : ndarray of float32, shape=(n_tempi, n_patterns, embedding_dim)
    """

    name: str
    axis: TempoAxis
    embeddings: NDArray[np.float32]


def load_bank(comparator: Comparator, cache: Path | None = None) -> Bank:
    """Load the embeddings of the built-in references by a model, from the model's folder or the cache.

    Embeddings in the cache that are missing, damaged, or of another model or bank are computed again, which
    takes seconds. Bundled embeddings are verified by the registry instead.

    Parameters
    ----------
    comparator : Comparator
    cache : Path, optional
        Folder of the cache; by default, the user's cache folder.

    Raises
    ------
    ModelError
        If the bundled references are missing or damaged, or the model cannot embed others.
    """
    shape = (AXIS.n_bins, len(PATTERNS), comparator.spec.embedding_dim)
    key = bank_key(comparator)
    shipped = references_path(comparator.path)
    check_if_ours(shipped)
    embeddings = _read(shipped, key, shape)
    if embeddings is not None:
        return Bank(BUILT_IN, AXIS, embeddings)
    kept = (cache or _cache_folder()) / f"{key}.npz"
    embeddings = _read(kept, key, shape)
    if embeddings is not None:
        return Bank(BUILT_IN, AXIS, embeddings)
    log.info("embedding %d references", shape[0] * shape[1])
    embeddings = embed_bank(comparator)
    try:
        write_bank(kept, key, embeddings)
    except OSError as error:
        log.warning("%s: the references cannot be kept there (%s)", kept, error.strerror)
    return Bank(BUILT_IN, AXIS, embeddings)


def references_path(model: Path) -> Path:
    """Return the path of the references of a bundled model."""
    return model.with_suffix(".references.npz")


def bank_key(comparator: Comparator) -> str:
    """Return a key of what the embeddings depend on: the model's bytes and the bank's version."""
    return f"{comparator.spec.checksum}-{BANK_VERSION}"


def embed_bank(comparator: Comparator) -> NDArray[np.float32]:
    """Synthesise and embed the built-in references, shape=(n_tempi, n_patterns, embedding_dim)."""
    front_end = comparator.spec.front_end
    n_samples = comparator.spec.n_frames * front_end.hop_length
    windows = (
        front_end.log_mel(synthesise(reference, sample_rate=front_end.sample_rate, n_samples=n_samples))
        for reference in bank()
    )
    embeddings = _embed(comparator, windows)
    return embeddings.reshape(AXIS.n_bins, len(PATTERNS), -1)


def _embed(comparator: Comparator, windows: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    embeddings: list[NDArray[np.float32]] = []
    batch: list[NDArray[np.float32]] = []
    for window in windows:
        batch.append(window)
        if len(batch) == _BATCH:
            embeddings.append(comparator.embed(np.stack(batch)))
            batch = []
    if batch:
        embeddings.append(comparator.embed(np.stack(batch)))
    return np.concatenate(embeddings)


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("tempo-estimate") / "references"


def write_bank(path: Path, key: str, embeddings: NDArray[np.float32]) -> None:
    """Write embeddings atomically; of several processes, the last one wins.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = embeddings.astype(np.float16)
    buffer = io.BytesIO()
    np.savez(buffer, embeddings=kept, key=np.array(key), digest=np.array(_digest(kept)))
    partial, file = temporary.make_file(str(path.parent), ".partial")
    try:
        with BufferedWriter(file) as buffered:
            buffered.write(buffer.getvalue())
            buffered.flush()
            temporary.give_name(partial, file, str(path))
    finally:
        temporary.discard(partial, file)


def _digest(kept: NDArray[np.float16]) -> str:
    return hashlib.sha256(kept.tobytes()).hexdigest()


def _read(path: Path, key: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Read stored embeddings; ``None`` if they are missing, of another model, or damaged."""
    if not path.is_file():
        return None
    try:
        file = read_npz(path, max_bytes=2 * math.prod(shape) + _OTHER_BYTES)
        kept, of_key, digest = file["embeddings"], str(file["key"]), str(file["digest"])
        if of_key != key:
            log.info("%s: of another model or bank", path)
            return None
        if kept.shape != shape or kept.dtype != np.float16 or _digest(kept) != digest:
            raise ValueError("the contents do not fit their checksum")
        if not np.isfinite(kept).all():
            raise ValueError("values that are NaN or infinite")
    except (OSError, ValueError, KeyError) as error:
        log.warning("%s: damaged, made again (%s)", path, error)
        return None
    return np.asarray(kept, np.float32)


def load_own_bank(comparator: Comparator, folder: Path) -> Bank:
    """Embed a user's own references.

    For each tempo of the axis, the files with the nearest tempo are used, played faster or slower to match
    it. A few loops are enough; a file that has the tempo already is used unchanged.

    Parameters
    ----------
    comparator : Comparator
    folder : Path
        Folder of audio files. Their tempi are read from a CSV file in the folder with the columns ``path``
        and ``bpm``, otherwise from their names: ``funk-98bpm.wav``, ``98.5 funk.wav``.

    Raises
    ------
    DataError
        If the folder contains no audio file, or the tempo of a file is unknown.
    AudioError
        If a file cannot be read, is silent, or is shorter than a beat.
    """
    tempi = _own_tempi(folder)
    if not tempi:
        raise DataError(f"{folder}: holds no audio files to compare with")
    files = sorted(tempi)
    known = np.array([tempi[path] for path in files])
    chosen = [_nearest(known, bpm) for bpm in AXIS.bpms]
    n_patterns = max(map(len, chosen))
    windows = _own_windows(comparator, files, known, [np.resize(each, n_patterns) for each in chosen])
    embeddings = _embed(comparator, windows).reshape(AXIS.n_bins, n_patterns, -1)
    return Bank(_own_name(tempi), AXIS, embeddings)


def _own_name(tempi: dict[Path, float]) -> str:
    """Name references by what is in their files, for they may change under one folder's name."""
    digest = hashlib.sha256()
    for path in sorted(tempi):
        digest.update(f"{path.name} {tempi[path]:g} {checksum_of(path)}\n".encode())
    return f"own {digest.hexdigest()[:16]}"


def _nearest(known: NDArray[np.float64], bpm: float) -> NDArray[np.intp]:
    distance = np.abs(np.log2(known / bpm))
    nearest = known[distance.argmin()]
    # Files whose tempi differ by at most half a percent are grouped.
    return np.flatnonzero(np.abs(known / nearest - 1.0) < 0.005)


def _own_windows(
    comparator: Comparator, files: list[Path], known: NDArray[np.float64], chosen: list[NDArray[np.intp]]
) -> Iterator[NDArray[np.float32]]:
    loops = [_loop(path, bpm, comparator) for path, bpm in zip(files, known, strict=True)]
    for bpm, which in zip(AXIS.bpms, chosen, strict=True):
        for index in which:
            frames, period = loops[index]
            positions = (np.arange(comparator.spec.n_frames) * bpm / known[index]) % period
            below = positions.astype(np.intp)
            weight = (positions - below).astype(np.float32)[:, None]
            yield frames[below] * (1.0 - weight) + frames[below + 1] * weight


def _loop(path: Path, bpm: float, comparator: Comparator) -> tuple[NDArray[np.float32], float]:
    """Read a file as frames that repeat: whole beats of it, and their length in frames."""
    front_end = comparator.spec.front_end
    samples = load_audio(path, sample_rate=front_end.sample_rate)
    beat = 60.0 * front_end.sample_rate / bpm
    if not samples.any():
        raise AudioError(str(path), "is silent")
    n_beats = int(len(samples) / beat + 0.05)
    if n_beats < 1:
        raise AudioError(str(path), f"shorter than a beat at {bpm:g} BPM")
    period = n_beats * beat
    # The beginning is put behind the end, so that the frames across the seam hear what they would.
    around = np.resize(samples[: round(period)], round(period) + 4 * front_end.n_fft)
    frames = front_end.log_mel(np.asarray(around, np.float32))
    first = front_end.n_fft // front_end.hop_length
    return frames[first:], period / front_end.hop_length


def _own_tempi(folder: Path) -> dict[Path, float]:
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from error
    tables = [path for path in files if path.suffix.lower() == ".csv"]
    if tables:
        return _tempi_of_table(tables[0])
    return {path: tempo_in_name(path) for path in files if path.suffix.lower() in _AUDIO_SUFFIXES}


def tempo_in_name(path: Path) -> float:
    """Read the tempo from a file name: the number before "bpm", or the only number from 30 to 300.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    marked = [float(number) for number in _NUMBER_BPM.findall(path.stem)]
    found = marked or [float(number) for number in _NUMBER.findall(path.stem)]
    tempi = [bpm for bpm in found if MIN_BPM <= bpm <= MAX_BPM]
    if len(tempi) != 1:
        raise DataError(f"{path}: its name does not tell its tempo; call it such as {path.stem}-120bpm")
    return tempi[0]


def _tempi_of_table(table: Path) -> dict[Path, float]:
    # The built-in references need no tables.
    from tempocli.evaluation.annotations import read_references

    tempi = {table.parent / row.path: row.bpm for row in read_references(table)}
    for path, bpm in tempi.items():
        if not MIN_BPM <= bpm <= MAX_BPM:
            raise DataError(f"{table}: {bpm:g} BPM of {path.name} is not within {MIN_BPM:g} to {MAX_BPM:g}")
    return tempi
