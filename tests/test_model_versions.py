"""The versions of models: in the registry, in the files, in every output."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from click.testing import CliRunner

from tempocli.cli import cli
from tempocli.inference.beats import BeatActivations
from tempocli.inference.classifier import Encoder
from tempocli.inference.comparator import Comparator
from tempocli.inference.music import MusicEncoder
from tempocli.inference.registry import list_models
from tempocli.inference.structure.sections import SectionEncoder
from tempocli.output.formats import Layout
from tempocli.output.results.settings import canonical, difference

if TYPE_CHECKING:
    from tempocli.inference.registry import ModelEntry

SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.ogg"
OPENERS: dict[str, Any] = {
    "classify": Encoder,
    "compare": Comparator,
    "embed": MusicEncoder,
    "beats": BeatActivations,
    "segment": SectionEncoder,
}


def version_of(name: str) -> str:
    return next(entry.version for entry in list_models() if entry.name == name)


def estimate(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["estimate", "--method", "classify", str(SAMPLE), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("entry", list_models(), ids=lambda entry: entry.name)
def test_registry_and_file_agree(entry: ModelEntry) -> None:
    assert OPENERS[entry.method](entry.path, device="cpu").spec.version == entry.version


def test_models_shows_the_versions() -> None:
    result = CliRunner().invoke(cli, ["models"])
    rows = list(csv.DictReader(io.StringIO(result.stdout), delimiter="\t"))
    assert {row["name"]: row["version"] for row in rows} == {
        each.name: each.version for each in list_models()
    }


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_tables(name: str) -> None:
    text = estimate("--format", name)
    (row,) = csv.DictReader(io.StringIO(text), delimiter="," if name == "csv" else "\t")
    assert (row["model"], row["model_version"]) == ("tempo", version_of("tempo"))


@pytest.mark.slow
def test_json_lines_and_jams() -> None:
    assert json.loads(estimate("--format", "jsonl"))["model_version"] == version_of("tempo")
    assert json.loads(estimate("--format", "json"))["results"][0]["model_version"] == version_of("tempo")
    tools = json.loads(estimate("--format", "jams"))["annotations"][0]["annotation_metadata"][
        "annotation_tools"
    ]
    assert tools.endswith(f", model tempo {version_of('tempo')}")


def test_both_have_two_versions() -> None:
    record = json.loads(estimate("--format", "jsonl", "--method", "both"))
    assert record["model"] == "tempo+compare"
    assert record["model_version"] == f"{version_of('tempo')}+{version_of('compare')}"


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    estimate("-o", str(tmp_path / "out.parquet"))
    assert parquet.read_table(tmp_path / "out.parquet")["model_version"].to_pylist() == [version_of("tempo")]


def test_a_file_without_a_version_is_named_by_its_checksum(model_path: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(model_path)
    kept = [entry for entry in model.metadata_props if entry.key != "model_version"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, tmp_path / "mine.onnx")
    spec = Encoder(tmp_path / "mine.onnx", device="cpu").spec
    assert spec.version == spec.checksum[:12]


def test_set_version(compare_path: Path, model_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from tempocli.inference.references.bank import load_bank, references_path
    from tempocli.training.recalibrate import set_version

    for path in (compare_path, model_path):
        shutil.copy(path, tmp_path)
    copy = tmp_path / compare_path.name
    shutil.copy(references_path(compare_path), references_path(copy))
    set_version(copy, "2b")
    set_version(tmp_path / model_path.name, "17")
    assert Encoder(tmp_path / model_path.name, device="cpu").spec.version == "17"
    comparator = Comparator(copy, device="cpu")
    assert comparator.spec.version == "2b"
    # Its references are found beside it, under its new checksum.
    load_bank(comparator, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_results_of_another_version_are_not_gone_on_with(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from tempocli.training.recalibrate import set_version

    model = Path(shutil.copy(model_path, tmp_path / "mine.onnx"))
    out = tmp_path / "out.jsonl"
    command = [
        "estimate",
        "--method",
        "classify",
        "--model",
        str(model),
        str(SAMPLE),
        "-o",
        str(out),
        "--resume",
    ]
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert CliRunner().invoke(cli, command).exit_code == 0
    before = out.read_bytes()
    set_version(model, "3")
    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert f"model version {version_of('tempo')}, now 3" in line
    assert out.read_bytes() == before


def test_results_of_another_decoding_are_not_gone_on_with(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    estimate("-o", str(out))
    monkeypatch.setattr("tempocli.estimator.DECODING_VERSION", 99)
    command = ["estimate", "--method", "classify", str(SAMPLE), "-o", str(out), "--resume"]
    refused = CliRunner().invoke(cli, command)
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert "decoding 1, now 99" in line


class TestRecord:
    MODEL: ClassVar = {"name": "tempo", "version": "2", "sha256": "ab"}

    def text(self, **changes: Any) -> str:
        settings = {"method": "classify", "model": self.MODEL, "min_bpm": 30.0, "top": 5} | changes
        return canonical(settings, Layout(2))

    def test_it_is_canonical(self) -> None:
        turned = dict(
            reversed(list({"method": "classify", "model": self.MODEL, "min_bpm": 30.0, "top": 5}.items()))
        )
        assert canonical(turned, Layout(2)) == self.text()
        assert json.loads(self.text())["precision"] == 2
        assert "\n" not in self.text()

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"model": MODEL | {"version": "3", "sha256": "cd"}},
                "model files ab, now cd; model version 2, now 3",
            ),
            ({"model": {"name": "mine", "version": "2"}}, "model tempo, now mine"),
            ({"min_bpm": 70.5}, "min_bpm 30, now 70.5"),
            ({"method": "compare"}, "method classify, now compare"),
            ({"decoding": 2}, "decoding none, now 2"),
        ],
    )
    def test_a_difference_is_told_in_a_line(self, changes: dict[str, Any], words: str) -> None:
        assert difference(self.text(), self.text(**changes)) == f"made with other settings ({words})"

    @pytest.mark.parametrize(
        "old", ["method both, tempo 98 and compare 0e, 30 to 300 BPM, top 5", "", "7", "[1]"]
    )
    def test_prose_is_of_an_earlier_version(self, old: str) -> None:
        assert difference(old, self.text()).startswith("made by an earlier version of tempo")

    @pytest.mark.parametrize("model", [None, 7, {"members": [1]}, {"members": 1}, {"name": {}}])
    def test_a_strange_record_is_told_too(self, model: object) -> None:
        assert difference(json.dumps({"model": model}), self.text()).startswith("made with other settings")
