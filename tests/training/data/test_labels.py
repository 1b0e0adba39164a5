"""``tempo train data labels``: a table of recordings and tempi becomes a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli
from tempocli.errors import DataError
from tempocli.training.data.labels import check_store, make_labelled, read_labels
from tempocli.training.data.prepare import TEMPO_FRONT_END
from tempocli.training.data.store import StoreWriter, open_store
from tempocli.training.tempo.recipe import TempoRecipe
from tempocli.training.tempo.sampler import TempoSampler

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two recordings that will do, one that is too short, one that is no audio."""
    rng = np.random.default_rng(0)
    for name, seconds in (("one.wav", 16), ("two.wav", 17), ("short.wav", 5)):
        soundfile.write(tmp_path / name, rng.uniform(-0.1, 0.1, seconds * 8000), 8000)
    (tmp_path / "broken.wav").write_text("no audio")
    path = tmp_path / "own.csv"
    path.write_text("path,bpm,group\none.wav,120,a\ntwo.wav,90.5,\nshort.wav,100,\nbroken.wav,100,\n")
    return path


def run(table: Path, out: Path) -> Any:
    return CliRunner().invoke(cli, ["train", "data", "labels", str(table), "--out", str(out)])


@pytest.mark.slow
def test_a_table_becomes_a_store(table: Path, tmp_path: Path) -> None:
    result = run(table, tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    store = open_store(tmp_path / "data" / "labels")
    assert [(clip.name, clip.bpm, clip.group) for clip in store.clips] == [
        ("one.wav", 120.0, "a"),
        ("two.wav", 90.5, "two.wav"),
    ]
    assert store.clips[0].length == pytest.approx(16 * store.front_end.frame_rate, abs=2)
    assert "short.wav: left out" in result.stderr
    assert "broken.wav: left out" in result.stderr
    assert "2 of 4 recordings" in result.stderr
    sampler = TempoSampler(tmp_path / "data", TempoRecipe(name="own", mix={"labels": 1.0}, held_out=10**6))
    assert len(sampler.batch(0).labelled) == 32
    # Again, with one more row: what is there is kept.
    table.write_text(table.read_text() + "one.wav,120,a\n".replace("one", "./one"))
    assert "3 of 5 recordings" in run(table, tmp_path / "data").stderr


@pytest.mark.slow
def test_nothing_of_use_is_an_error(table: Path, tmp_path: Path) -> None:
    table.write_text("path,bpm\nshort.wav,100\n")
    result = run(table, tmp_path / "data")
    assert result.exit_code == 1
    assert "none of its 1 recordings" in str(result.exception) + result.stderr


def test_labels_that_changed_are_refused(table: Path, tmp_path: Path) -> None:
    labels = read_labels(table)
    with StoreWriter(tmp_path / "labels", TEMPO_FRONT_END) as writer:
        frames = np.zeros((10, TEMPO_FRONT_END.n_mels), np.float32)
        writer.add("one.wav", frames, bpm=120.0, style="label", group="a")
    check_store(tmp_path / "labels", labels)
    table.write_text("path,bpm,group\none.wav,60,a\n")
    with pytest.raises(DataError, match="another label"):
        check_store(tmp_path / "labels", read_labels(table))
    table.write_text("path,bpm\ntwo.wav,60\n")
    with pytest.raises(DataError, match="another label"):
        check_store(tmp_path / "labels", read_labels(table))


def test_a_path_has_one_tempo(table: Path) -> None:
    table.write_text("path,bpm\none.wav,60\none.wav,120\n")
    with pytest.raises(DataError, match=r"second tempo of one\.wav"):
        read_labels(table)


def test_the_features_are_those_of_the_front_end(table: Path) -> None:
    made = make_labelled("one.wav", folder=table.parent, labels=read_labels(table))
    assert made is not None
    assert (made.bpm, made.style, made.beats) == (120.0, "label", ())
    assert made.log_mel.shape[1] == TEMPO_FRONT_END.n_mels
