"""The commands `tempo train probe` and `tempo label`, and probe files that are refused."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from songs import song

from tempocli.audio import tags
from tempocli.cli import cli
from tempocli.embedding.probes import Probe
from tempocli.errors import ModelError
from tempocli.inference.music import MusicEncoder
from tempocli.inference.registry import resolve

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("sklearn", reason="needs the extra 'probe' (scikit-learn)")
onnx = pytest.importorskip("onnx", reason="needs the extra 'probe' (onnx)")

pytestmark = pytest.mark.slow


def tempo(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], prog_name="tempo")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty short pieces, of house and rock, and a table of their styles."""
    folder = tmp_path_factory.mktemp("music")
    rows = ["path,label,group"]
    for number in range(20):
        style = ("house", "rock")[number % 2]
        decay = 0.3 if style == "house" else 0.03
        samples = song(90.0 + 4 * number, 40 + number % 7, pattern=style, seconds=5.0, decay=decay)
        soundfile.write(folder / f"{number}.wav", samples, 22050)
        rows.append(f"{number}.wav,{style},album {number // 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def probe(music: Path) -> Path:
    made = tempo("train", "probe", music / "labels.csv", "-o", music / "style.probe", "--jobs", 1)
    assert made.exit_code == 0, made.output
    assert "accuracy 1.00" in made.stderr
    assert "  house: 10 tracks, 1.00" in made.stderr
    return music / "style.probe"


def test_tracks_are_labelled(music: Path, probe: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.wav"
    soundfile.write(new, song(117.0, 44, pattern="rock", seconds=6.0, decay=0.03), 22050)
    assert tempo("label", new, "--probe", probe).stdout == "rock\n"
    both = tempo("label", new, music / "0.wav", "--probe", probe)
    assert both.stdout == f"{new}\trock\n{music / '0.wav'}\thouse\n"
    row = json.loads(tempo("label", new, "--probe", probe, "--format", "jsonl").stdout)
    assert row["labels"] == ["rock"]
    assert sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)
    out = tmp_path / "labels.csv"
    assert tempo("label", music, "--probe", probe, "-o", out).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == 20
    assert all(float(row["house" if index % 2 == 0 else "rock"]) >= 0.0 for index, row in enumerate(rows))


def test_silence_has_no_label_and_failures_are_told(music: Path, probe: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(22050), 22050)
    (tmp_path / "b.wav").write_bytes(b"no")
    result = tempo("label", tmp_path, "--probe", probe)
    assert (result.exit_code, result.stdout) == (3, f"{tmp_path / 'a.wav'}\t-\n")
    assert "b.wav: " in result.stderr
    out = tmp_path / "kept.csv"
    out.write_text("mine")
    assert tempo("label", tmp_path / "b.wav", "--probe", probe, "-o", out).exit_code == 1
    assert out.read_text() == "mine"


def test_vectors_of_a_file_give_the_same_probe(music: Path, probe: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "v.npz"
    assert tempo("embed", music, "-o", vectors).exit_code == 0
    again = tmp_path / "again.probe"
    made = tempo("train", "probe", music / "labels.csv", "--vectors", vectors, "-o", again, "--quiet")
    assert (made.exit_code, made.stderr) == (0, "")
    spec = MusicEncoder(device="cpu").spec
    with np.load(vectors) as arrays:
        parts = {part.name: arrays[part.name][0] for part in spec.parts}
    ours, theirs = (Probe(path, spec).probabilities(parts) for path in (again, probe))
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_what_is_no_better_than_chance_is_not_written(music: Path, tmp_path: Path) -> None:
    table = music / "random.csv"
    rng = np.random.default_rng(2)
    labels = rng.permutation(["a", "b"] * 10)
    table.write_text("path,label\n" + "".join(f"{k}.wav,{label}\n" for k, label in enumerate(labels)))
    out = tmp_path / "x.probe"
    made = tempo("train", "probe", table, "-o", out)
    assert made.exit_code == 1
    assert "no better than chance" in made.stderr
    assert not out.exists()
    assert tempo("train", "probe", table, "-o", out, "--force").exit_code == 0
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.csv", "-o", "x"], 2, "does not exist"),
        (["labels.csv"], 2, "Missing option"),
        (["labels.csv", "-o", "labels.csv"], 2, "is an input"),
        (["labels.csv", "-o", "x", "--parts", "colour"], 2, "no part 'colour'"),
        (["labels.csv", "-o", "x", "--column", "mood"], 1, "needs the columns path and mood"),
        (["labels.csv", "-o", "x", "--vectors", "0.wav"], 1, "not a file of vectors"),
    ],
)
def test_training_refuses(
    music: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(music)
    result = tempo("train", "probe", *arguments)
    assert result.exit_code == code
    assert message in result.stderr.replace("\n", " ")
    assert not (music / "x").exists()


def changed(probe: Path, path: Path, **metadata: str) -> Path:
    model = onnx.load(str(probe))
    known = {each.key: each.value for each in model.metadata_props} | metadata
    onnx.helper.set_model_props(model, known)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"version": "probe-9"}, "not a probe (metadata: version probe-9)"),
        ({"labels": "[]"}, "labels that are no words"),
        ({"labels": '["a", "b", "c"]'}, "as many probabilities as labels"),
        ({"labels": '["a", "\\u001b[31m"]'}, "labels that are no words"),
        ({"parts": '["colour"]'}, "parts that the embedding has not"),
        ({"labels": "{" * 9999}, "not a probe"),
        ({"embedding": '{"name": "music", "version": "0"}'}, "made for the embedding music 0, not for music"),
        ({"embedding": "3"}, "made for the embedding another"),
    ],
)
def test_foreign_probes_are_refused_in_one_line(
    music: Path, probe: Path, tmp_path: Path, metadata: dict[str, str], message: str
) -> None:
    result = tempo("label", music / "0.wav", "--probe", changed(probe, tmp_path / "p", **metadata))
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_other_files_are_no_probes(music: Path, tmp_path: Path) -> None:
    spec = MusicEncoder(device="cpu").spec
    (tmp_path / "junk").write_bytes(b"junk")
    for path in (resolve("tempo"), tmp_path / "junk"):
        with pytest.raises(ModelError):
            Probe(path, spec)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "wav"])
@pytest.mark.parametrize("field", ["MOOD", "MY FIELD"])
def test_fields_of_tags_are_written_and_the_rest_is_kept(tmp_path: Path, suffix: str, field: str) -> None:
    pytest.importorskip("mutagen")
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, song(seconds=2.0), 22050)
    before = soundfile.read(path)[0]
    tags.write_tempo(str(path), 120.0)
    assert tags.read_field(str(path), field) is None
    tags.write_field(str(path), field, "calm; dark")
    assert tags.read_field(str(path), field) == "calm; dark"
    tags.write_field(str(path), field, "happy")
    assert tags.read_field(str(path), field) == "happy"
    assert tags.read_tempo(str(path)) == "120"
    np.testing.assert_array_equal(soundfile.read(path)[0], before)


def test_labels_are_written_into_tags_when_asked(music: Path, probe: Path, tmp_path: Path) -> None:
    pytest.importorskip("mutagen")
    path = tmp_path / "a.flac"
    soundfile.write(path, song(117.0, 44, pattern="rock", seconds=6.0, decay=0.03), 22050)
    command = ("label", path, "--probe", probe, "--write-tags", "mood")
    dry = tempo(*command, "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "rock\n")
    assert "MOOD none -> rock" in dry.stderr
    assert tags.read_field(str(path), "MOOD") is None
    assert tempo(*command).exit_code == 0
    assert tags.read_field(str(path), "MOOD") == "rock"
    tags.write_field(str(path), "MOOD", "mine")
    kept = tempo(*command)
    assert kept.exit_code == 3
    assert "MOOD says mine, not rock; --overwrite replaces it" in kept.stderr
    assert tags.read_field(str(path), "MOOD") == "mine"
    assert tempo(*command, "--overwrite").exit_code == 0
    assert tags.read_field(str(path), "MOOD") == "rock"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--write-tags", "ARTIST"], "not overwritten with labels"),
        (["--write-tags", "a=b"], "no name of a field"),
        (["--dry-run"], "need --write-tags"),
        (["--write-tags", "MOOD", "--start", "1"], "whole files only"),
        (["--format", "csv", "-o", "x.xyz", "--probe", "missing"], "does not exist"),
        (["-o", "x.xyz"], "No format is known by the suffix"),
    ],
)
def test_labelling_refuses(music: Path, probe: Path, arguments: list[str], message: str) -> None:
    result = tempo("label", music / "0.wav", "--probe", probe, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr.replace("\n", " ")
