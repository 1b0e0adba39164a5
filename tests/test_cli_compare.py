"""`tempo compare`: verdicts, formats, exit statuses."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from tempocli.cli import cli
from tempocli.comparison import TempoComparer
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RATE = 22050


@pytest.fixture(scope="module")
def comparer(compare_path: Path) -> TempoComparer:
    return TempoComparer(device="cpu")


@pytest.fixture
def songs(compare_path: Path, write_wav: Callable[..., Path], click_track: Callable[..., np.ndarray]) -> dict:
    return {
        "a": str(write_wav(click_track(100.0, 20.0), name="a.wav")),
        "same": str(write_wav(click_track(100.0, 25.0, start=0.4), name="same.wav")),
        "faster": str(write_wav(click_track(118.0, 20.0), name="faster.wav")),
        "silent": str(write_wav(np.zeros(20 * RATE, np.float32), name="silent.wav")),
    }


def compare(*args: str) -> Result:
    return CliRunner().invoke(cli, ["compare", *args])


@pytest.mark.slow
def test_one_tempo(songs: dict[str, str]) -> None:
    result = compare(songs["a"], songs["same"])
    path, verdict, probability, ratio = result.stdout.rstrip("\n").split("\t")
    assert (path, verdict) == (songs["same"], "same")
    assert float(probability) > 0.5
    assert float(ratio) == pytest.approx(1.0, abs=0.002)
    assert result.exit_code == 0


@pytest.mark.slow
def test_another_tempo(songs: dict[str, str]) -> None:
    result = compare(songs["a"], songs["faster"])
    _, verdict, probability, ratio = result.stdout.rstrip("\n").split("\t")
    assert verdict == "different"
    assert float(probability) < 0.5
    assert float(ratio) == pytest.approx(1.18, abs=0.003)
    assert result.exit_code == 1


@pytest.mark.slow
def test_many_targets_in_json(songs: dict[str, str]) -> None:
    result = compare(songs["a"], songs["same"], songs["faster"], "--format", "json")
    document = json.loads(result.stdout)
    assert document["reference"] == songs["a"]
    assert [each["same"] for each in document["results"]] == [True, False]
    assert result.exit_code == 1


@pytest.mark.slow
def test_quiet_says_nothing(songs: dict[str, str]) -> None:
    for target, code in (("same", 0), ("faster", 1)):
        result = compare("-q", songs["a"], songs[target])
        assert (result.stdout, result.stderr, result.exit_code) == ("", "", code)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["reference", "target"])
def test_what_cannot_be_read_is_neither_same_nor_different(songs: dict[str, str], which: str) -> None:
    paths = [songs["a"], "absent.wav"] if which == "target" else ["absent.wav", songs["a"]]
    result = compare(*paths)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "absent.wav" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_silence_cannot_be_compared(songs: dict[str, str]) -> None:
    result = compare(songs["a"], songs["silent"], "--format", "json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["results"][0]["reason"] == "silence"


def test_no_model_is_not_another_tempo(songs: dict[str, str]) -> None:
    result = compare(songs["a"], songs["same"], "--model", "gone.onnx")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("tempo: gone.onnx")


def test_a_target_is_needed(songs: dict[str, str]) -> None:
    assert compare(songs["a"]).exit_code == 2


@pytest.mark.slow
def test_the_other_way_round_is_the_same(
    comparer: TempoComparer, click_track: Callable[..., np.ndarray]
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(6):
        a, b = (
            comparer.analyse_array(
                click_track(float(rng.uniform(60, 180)), 15.0)
                + rng.normal(0, 0.02, 15 * RATE).astype(np.float32)
            )
            for _ in range(2)
        )
        there, back = comparer.compare(a, b), comparer.compare(b, a)
        assert there.probability == pytest.approx(back.probability, abs=1e-6)
        assert there.ratio * back.ratio == pytest.approx(1.0, abs=1e-6)


def test_a_recording_shares_its_own_tempo(
    comparer: TempoComparer, click_track: Callable[..., np.ndarray]
) -> None:
    heard = comparer.analyse_array(click_track(87.0, 20.0))
    relation = comparer.compare(heard, heard)
    assert relation.same
    assert relation.ratio == pytest.approx(1.0)


def test_arrays_are_compared_as_files_are(comparer: TempoComparer, songs: dict[str, str]) -> None:
    samples, rate = soundfile.read(songs["a"], dtype="float32")
    heard = comparer.analyse(songs["a"])
    for other in (comparer.analyse(samples, rate), comparer.analyse_array(np.stack([samples] * 2, 1), rate)):
        np.testing.assert_allclose(other.embeddings, heard.embeddings, atol=1e-3)
    for wrong in ([0.0, 0.5], samples.reshape(1, -1), 5):
        with pytest.raises(AudioError):
            comparer.analyse(wrong, rate)
    with pytest.raises(AudioError, match="transpose it"):
        comparer.analyse_array(samples.reshape(1, -1), rate)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_references_on_a_full_disk(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "click-120.00bpm.flac"
    target.symlink_to("/dev/full")
    result = CliRunner().invoke(cli, ["references", "export", str(tmp_path), "--bpm", "120"])
    assert result.exit_code == 1
    assert result.stderr == f"tempo: {target}: No space left on device\n"
    assert capfd.readouterr().err == ""
