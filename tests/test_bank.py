"""Embedded references: what ships, the cache and what may happen to it, a user's own loops."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tempocli.errors import AudioError, DataError
from tempocli.inference.comparator import Comparator
from tempocli.inference.references import bank as bank_module
from tempocli.inference.references.bank import (
    bank_key,
    load_bank,
    load_own_bank,
    references_path,
    tempo_in_name,
    write_bank,
)
from tempocli.inference.references.patterns import AXIS, PATTERNS, Reference, bank, synthesise

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 22050


@pytest.fixture(scope="module")
def comparator(compare_path: Path) -> Comparator:
    return Comparator(compare_path, device="cpu")


@pytest.fixture
def stranger(compare_path: Path, tmp_path: Path) -> Comparator:
    """A comparator that does not ship: no references lie beside it."""
    return Comparator(Path(shutil.copy(compare_path, tmp_path / "stranger.onnx")), device="cpu")


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Makes the building of a bank quick, and counts it."""
    counted: list[int] = []

    def build(comparator: Comparator) -> np.ndarray:
        counted.append(1)
        shape = (AXIS.n_bins, len(PATTERNS), comparator.spec.embedding_dim)
        return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)

    monkeypatch.setattr(bank_module, "embed_bank", build)
    return counted


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_what_ships_is_used_and_needs_no_cache(
    comparator: Comparator, tmp_path: Path, builds: list[int]
) -> None:
    cache = tmp_path / "cache"
    loaded = load_bank(comparator, cache)
    assert loaded.embeddings.shape == (160, len(PATTERNS), comparator.spec.embedding_dim)
    assert not builds
    assert not cache.exists()


def test_what_ships_is_what_the_model_makes(comparator: Comparator) -> None:
    front_end = comparator.spec.front_end
    shipped = load_bank(comparator).embeddings.reshape(-1, comparator.spec.embedding_dim)
    references = list(bank())
    chosen = [3, 301, 777]
    n_samples = comparator.spec.n_frames * front_end.hop_length
    windows = np.stack(
        [
            front_end.log_mel(
                synthesise(references[index], sample_rate=front_end.sample_rate, n_samples=n_samples)
            )
            for index in chosen
        ]
    )
    np.testing.assert_allclose(comparator.embed(windows), shipped[chosen], atol=0.02)


def test_an_empty_cache_is_filled_once(stranger: Comparator, tmp_path: Path, builds: list[int]) -> None:
    first = load_bank(stranger, tmp_path / "cache")
    again = load_bank(stranger, tmp_path / "cache")
    assert len(builds) == 1
    np.testing.assert_allclose(first.embeddings, again.embeddings, atol=0.01)
    assert bank_key(stranger) in only_file(tmp_path / "cache").name


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "another's"])
def test_a_damaged_cache_is_noticed_and_made_again(
    stranger: Comparator, tmp_path: Path, builds: list[int], damage: str
) -> None:
    cache = tmp_path / "cache"
    good = load_bank(stranger, cache).embeddings
    path = only_file(cache)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[len(data) // 2] ^= 0xFF
    elif damage == "empty":
        data = bytearray()
    elif damage == "text":
        data = bytearray(b"not a bank")
    if damage == "another's":
        write_bank(path, "another-1", good + 1.0)
    else:
        path.write_bytes(data)
    np.testing.assert_allclose(load_bank(stranger, cache).embeddings, good, atol=0.01)
    assert len(builds) == 2
    load_bank(stranger, cache)
    assert len(builds) == 2


def test_a_cache_that_cannot_be_written_is_no_failure(
    stranger: Comparator, tmp_path: Path, builds: list[int]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way of a folder")
    assert load_bank(stranger, blocked).embeddings.shape[0] == 160
    assert len(builds) == 1


def _write_many(path: Path, seed: int) -> None:
    embeddings = np.full((160, len(PATTERNS), 8), float(seed), np.float32)
    for _ in range(30):
        write_bank(path, "key", embeddings)


@pytest.mark.slow
def test_two_processes_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "bank.npz"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_many, args=(path, seed)) for seed in (1, 2)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        if path.is_file():
            assert bank_module._read(path, "key", (160, len(PATTERNS), 8)) is not None
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert [file.name for file in path.parent.iterdir()] == ["bank.npz"]


def test_references_of_a_model_lie_beside_it(compare_path: Path) -> None:
    assert references_path(compare_path).is_file()


@pytest.mark.parametrize(
    ("name", "bpm"),
    [
        ("rock-98.46bpm.flac", 98.46),
        ("98.5 funk.wav", 98.5),
        ("loop_2 128 BPM take 90.wav", 128.0),
        ("drums120.wav", 120.0),
        ("808 kit 95.wav", 95.0),
    ],
)
def test_the_tempo_in_a_name(name: str, bpm: float) -> None:
    assert tempo_in_name(Path(name)) == bpm


@pytest.mark.parametrize("name", ["drums.wav", "90 or 120.wav", "12bpm.wav", "take 1.wav"])
def test_a_name_without_one_tempo_is_an_error(name: str) -> None:
    with pytest.raises(DataError, match="does not tell its tempo"):
        tempo_in_name(Path(name))


def _write_loop(folder: Path, name: str, bpm: float, beats: int = 8) -> None:
    n_samples = round(beats * 60.0 / bpm * RATE)
    samples = synthesise(Reference("rock", bpm), sample_rate=RATE, n_samples=n_samples)
    soundfile.write(folder / name, samples, RATE)


@pytest.mark.slow
def test_two_loops_make_a_whole_bank(
    comparator: Comparator, tmp_path: Path, click_track: Callable[..., np.ndarray]
) -> None:
    _write_loop(tmp_path, "a 80bpm.wav", 80.0)
    _write_loop(tmp_path, "b 150bpm.wav", 150.0)
    own = load_own_bank(comparator, tmp_path)
    assert own.embeddings.shape == (160, 1, comparator.spec.embedding_dim)
    # A loop stretched to another tempo is what it would be, had it been played at it.
    target = synthesise(Reference("rock", float(own.axis.bpms[90])), sample_rate=RATE, n_samples=RATE * 12)
    window = comparator.spec.front_end.log_mel(target)[None, : comparator.spec.n_frames]
    scores = comparator.log_odds(comparator.embed(window), own.embeddings[:, 0])[0]
    assert abs(int(scores.argmax()) - 90) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])  # the latter is Excel's
def test_a_table_gives_the_tempi(comparator: Comparator, tmp_path: Path, encoding: str) -> None:
    _write_loop(tmp_path, "mine.wav", 100.0)
    # As a spreadsheet saves it, and with what another system leaves beside every file.
    (tmp_path / "loops.csv").write_text("path,bpm\nmine.wav,100\n", encoding=encoding)
    (tmp_path / "._loops.csv").write_bytes(b"\0\5\x16\7")
    assert load_own_bank(comparator, tmp_path).embeddings.shape[1] == 1


@pytest.mark.parametrize(
    ("table", "error", "reason"),
    [
        ("path,bpm\nmine.wav,fast\n", DataError, "line 2: bpm 'fast' is not a number"),
        ("file,tempo\nmine.wav,100\n", DataError, "no column named 'path'"),
        ("x\n", DataError, "no column named 'path'"),
        ("path,bpm\n", DataError, "no rows"),
        ("path,bpm\nmine.wav,10\n", DataError, "not within 30 to 300"),
        ("path,bpm\n" + 200_000 * "x", DataError, "not a CSV file"),
        ("path,bpm\nabsent.wav,100\n", AudioError, "absent.wav"),
    ],
)
def test_a_bad_table_is_an_error(
    comparator: Comparator, tmp_path: Path, table: str, error: type[Exception], reason: str
) -> None:
    _write_loop(tmp_path, "mine.wav", 100.0)
    (tmp_path / "loops.csv").write_text(table)
    with pytest.raises(error, match=reason):
        load_own_bank(comparator, tmp_path)


def test_a_folder_without_audio_is_an_error(comparator: Comparator, tmp_path: Path) -> None:
    (tmp_path / "._mine 100bpm.wav").touch()
    with pytest.raises(DataError, match="no audio"):
        load_own_bank(comparator, tmp_path)
    with pytest.raises(DataError, match="No such file"):
        load_own_bank(comparator, tmp_path / "gone")


def test_a_file_shorter_than_a_beat_is_an_error(comparator: Comparator, tmp_path: Path) -> None:
    _write_loop(tmp_path, "short 60bpm.wav", 600.0, beats=1)
    with pytest.raises(AudioError, match="shorter than a beat"):
        load_own_bank(comparator, tmp_path)


def test_a_silent_file_is_an_error(comparator: Comparator, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nothing 100bpm.wav", np.zeros(RATE * 5), RATE)
    with pytest.raises(AudioError, match="is silent"):
        load_own_bank(comparator, tmp_path)
