"""References that are not what they should be: bombs, lies, changed files."""

from __future__ import annotations

import io
import json
import shutil
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from tempocli.cli import cli
from tempocli.errors import ModelError
from tempocli.inference import registry
from tempocli.inference.comparator import Comparator
from tempocli.inference.references import bank as bank_module
from tempocli.inference.references.arrays import read_npz
from tempocli.inference.references.bank import load_bank, references_path
from tempocli.inference.references.patterns import AXIS, PATTERNS

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 1_000_000
BIG = 400_000_000


def header(shape: tuple[int, ...], kind: str = "<f2") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def bomb(path: Path) -> Path:
    """Write 2 MB that unpack to 400 MB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("embeddings.npy", "w", force_zip64=True) as member,
    ):
        member.write(header((BIG // 2,)))
        for _ in range(BIG // 10_000_000):
            member.write(bytes(10_000_000))
    return path


@pytest.fixture(scope="module")
def npz_bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bomb(tmp_path_factory.mktemp("bomb") / "bomb.npz")


@pytest.fixture
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def written(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("little_memory")
def test_a_bomb_is_refused_unpacked(npz_bomb: Path) -> None:
    with pytest.raises(ValueError, match=r"unpacks to 400,000,\d+ bytes"):
        read_npz(npz_bomb, max_bytes=npz_bomb.stat().st_size)
    with pytest.raises(ValueError, match="at the most 1,000,000 are expected"):
        read_npz(npz_bomb, max_bytes=LIMIT)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("shape", [(BIG,), (BIG, BIG, BIG), (1 << 62, 4), (201,)])
def test_a_header_that_claims_more_than_the_file_has(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = written(tmp_path / "a.npz", embeddings=header(shape) + bytes(100))
    with pytest.raises(ValueError, match="claims more than the file has"):
        read_npz(path, max_bytes=LIMIT)


@pytest.mark.slow
@pytest.mark.usefixtures("little_memory")
def test_a_directory_that_claims_less_than_the_file_has(tmp_path: Path, npz_bomb: Path) -> None:
    data = bytearray(npz_bomb.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"."):
        read_npz(tmp_path / "a.npz", max_bytes=len(data))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        header((3,), "|O") + bytes(100),
        header((2,)) + bytes(3),
        b"\x93NUMPY\x01\x00\xff\xff",
        b"\x93NUMPY\x09\x00",
        header((-1,)) + bytes(100),
        b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"[" * 9000,
    ],
)
def test_what_is_no_array(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_npz(written(tmp_path / "a.npz", embeddings=content), max_bytes=LIMIT)


def test_what_is_good_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=np.arange(3), two=np.array("text"))
    arrays = read_npz(tmp_path / "a.npz", max_bytes=LIMIT)
    assert arrays["one"].tolist() == [0, 1, 2]
    assert str(arrays["two"]) == "text"


@pytest.mark.slow
def test_a_bomb_beside_a_model_is_told_in_a_line_and_made_again(
    compare_path: Path,
    tmp_path: Path,
    npz_bomb: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    comparator = Comparator(Path(shutil.copy(compare_path, tmp_path / "mine.onnx")), device="cpu")
    shutil.copy(npz_bomb, references_path(comparator.path))
    made = np.zeros((AXIS.n_bins, len(PATTERNS), comparator.spec.embedding_dim), np.float32)
    monkeypatch.setattr(bank_module, "embed_bank", lambda _: made)
    assert load_bank(comparator, tmp_path / "cache").embeddings.shape == made.shape
    (record,) = caplog.records
    assert "damaged, made again" in record.getMessage()
    assert "\n" not in record.getMessage()


class TestOfTheRegistry:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """The models that ship, in a folder where they can be changed."""
        folder = tmp_path / "models"
        shutil.copytree(registry.models_folder(), folder)
        monkeypatch.setattr(registry, "_FOLDERS", (folder,))
        for cached in (registry.list_models, registry._checksums):
            cached.cache_clear()
        yield folder
        monkeypatch.undo()
        for cached in (registry.list_models, registry._checksums):
            cached.cache_clear()

    def change(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    @pytest.mark.parametrize("name", ["compare.references.npz", "calibration.json", "compare.onnx"])
    def test_verify_tells_a_changed_file(self, folder: Path, name: str) -> None:
        assert CliRunner().invoke(cli, ["models", "--verify"]).exit_code == 0
        self.change(folder / name)
        result = CliRunner().invoke(cli, ["models", "--verify"])
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert f"{name}: damaged, its SHA-256 is not the registry's" in result.stderr

    def test_changed_references_are_refused(self, folder: Path) -> None:
        path = folder / "compare.references.npz"
        comparator = Comparator(registry.resolve("compare"), device="cpu")
        load_bank(comparator)
        self.change(path)
        with pytest.raises(ModelError, match="SHA-256"):
            load_bank(comparator)
        path.unlink()
        with pytest.raises(ModelError, match="No such file"):
            load_bank(comparator)

    def test_a_model_that_ships_is_checked_by_path_too(self, folder: Path) -> None:
        self.change(folder / "tempo.onnx")
        with pytest.raises(ModelError, match="SHA-256"):
            registry.resolve(folder / "tempo.onnx")

    @pytest.mark.parametrize("files", [[], {"compare.references": {}}, 3])
    def test_a_registry_that_is_damaged(self, folder: Path, files: object) -> None:
        path = folder / "registry.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"files": files}))
        with pytest.raises(ModelError, match="the registry of models is damaged"):
            registry.list_files()
