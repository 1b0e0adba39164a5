"""The registry: names, paths, checksums."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tempocli.errors import ModelError
from tempocli.inference import registry

if TYPE_CHECKING:
    from pathlib import Path


def test_every_model_that_ships_is_whole_and_has_a_card() -> None:
    entries = registry.list_models()
    assert entries[0].name == "tempo"
    for entry in entries:
        registry.verify(entry)
        assert entry.path.stat().st_size == entry.size
        assert entry.summary
        assert entry.licence
        assert entry.path.with_suffix(".md").is_file()
        # Nor does it tell of the machine that made it.
        assert not any(trace in entry.path.read_bytes() for trace in (b".py", b"stack_trace"))


def test_the_models_stay_small() -> None:
    assert sum(path.stat().st_size for path in registry.models_folder().iterdir()) < 25_000_000


def test_a_name_and_a_path_both_resolve(tmp_path: Path) -> None:
    assert registry.resolve("tempo") == registry.list_models()[0].path
    other = tmp_path / "mine.onnx"
    other.write_bytes(b"x")
    assert registry.resolve(other) == other


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="tempoo: no such model; the names are tempo"):
        registry.resolve("tempoo")


def test_a_model_for_another_method_is_refused() -> None:
    assert registry.resolve("compare", "compare").is_file()
    with pytest.raises(ModelError, match="compare: a model for the method compare, not for classify"):
        registry.resolve("compare", "classify")


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    entry = registry.list_models()[0]
    damaged = tmp_path / "tempo.onnx"
    content = bytearray(entry.path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        registry.verify(replace(entry, path=damaged))


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        registry.verify(replace(registry.list_models()[0], path=tmp_path / "gone.onnx"))
