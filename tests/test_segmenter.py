"""From audio to sections: songs whose form is known, and what has none."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from forms import edges_of, song_of

from tempocli import Segmenter, segment
from tempocli.errors import AudioError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli import SongForm

RATE = 22050


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(device="cpu")


@pytest.fixture(scope="module")
def form(segmenter: Segmenter) -> SongForm:
    return segmenter.segment_array(song_of("ABAB"), RATE)


def starts(form: SongForm) -> list[float]:
    return [each.start for each in form.sections]


@pytest.mark.slow
@pytest.mark.parametrize(("letters", "bpm"), [("ABAB", 120.0), ("AABA", 96.0), ("ABCB", 140.0)])
def test_sections_and_repeats(segmenter: Segmenter, letters: str, bpm: float) -> None:
    form = segmenter.segment_array(song_of(letters, bpm), RATE)
    edges = edges_of(letters, bpm)[1:-1]
    changes = [
        edge for edge, before, after in zip(edges, letters, letters[1:], strict=False) if before != after
    ]
    assert all(min(abs(start - edge) for start in starts(form)) < 0.1 for edge in changes)
    # The label at the middle of each section tells which of them are repeats.
    middles = edges_of(letters, bpm)[:-1] + 8 * 120.0 / bpm
    labels = [next(each.label for each in form.sections if each.start <= time < each.end) for time in middles]
    assert [labels.index(label) for label in labels] == [letters.index(letter) for letter in letters]


@pytest.mark.slow
def test_sections_fill_the_song(form: SongForm) -> None:
    assert form.sections[0].start == 0.0
    assert form.sections[-1].end == pytest.approx(form.duration, abs=1e-4)
    for before, after in zip(form.sections, form.sections[1:], strict=False):
        assert before.end == after.start
        assert 0.0 <= after.confidence <= 1.0
    assert [each.bpm for each in form.sections[1:-1]] == pytest.approx(
        [120.0] * (len(form.sections) - 2), rel=0.01
    )
    assert form.metre == 4


@pytest.mark.slow
def test_stretched_music_has_stretched_sections(segmenter: Segmenter) -> None:
    slow, fast = (segmenter.segment_array(song_of("ABAB", bpm), RATE) for bpm in (100.0, 125.0))
    assert [each.label for each in slow.sections] == [each.label for each in fast.sections]
    assert [each.bars for each in slow.sections] == [each.bars for each in fast.sections]


@pytest.mark.slow
def test_a_number_and_a_least_length() -> None:
    song = song_of("ABAB")
    assert len(segment(song, RATE, n_sections=3, device="cpu").sections) == 3
    long = segment(song, RATE, min_bars=12, device="cpu")
    assert all(each.bars is not None and each.bars >= 12 for each in long.sections)


@pytest.mark.slow
def test_a_part_counts_from_the_start_of_the_file(segmenter: Segmenter, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", song_of("ABAB"), RATE)
    part = segmenter.segment(tmp_path / "song.wav", start=10.0, duration=40.0)
    assert (part.sections[0].start, part.sections[-1].end) == (10.0, 50.0)
    assert part.duration == pytest.approx(40.0)


@pytest.mark.slow
def test_blocks_of_any_length_give_the_same(segmenter: Segmenter, form: SongForm) -> None:
    song = song_of("ABAB")
    blocks = np.split(song, [7, 5000, 60_000, 700_001])
    assert segmenter.segment_blocks(blocks).sections == form.sections


@pytest.mark.slow
def test_a_copy_for_another_process(segmenter: Segmenter, form: SongForm) -> None:
    portable = pickle.loads(pickle.dumps(segmenter.portable()))
    assert portable.connect(segmenter.encode).segment_array(song_of("ABAB"), RATE).sections == form.sections


@pytest.mark.slow
def test_the_cells_are_kept_when_asked_for(form: SongForm) -> None:
    assert form.times is None
    kept = Segmenter(device="cpu", keep_cells=True).segment_array(song_of("ABAB"), RATE)
    assert kept.times is not None
    assert kept.vectors is not None
    assert len(kept.times) == len(kept.vectors) + 1
    assert pickle.loads(pickle.dumps(kept)).sections == form.sections


class TestNoForm:
    def test_a_drone_is_one_section(self, segmenter: Segmenter) -> None:
        time = np.arange(60 * RATE) / RATE
        drone = sum(np.sin(2.0 * np.pi * pitch * time) for pitch in (110.0, 165.0, 220.0))
        swelling = 0.1 * drone * (1.0 + 0.1 * np.sin(0.7 * time))
        found = segmenter.segment_array(swelling.astype(np.float32), RATE)
        assert [(each.start, each.label) for each in found.sections] == [(0.0, "A")]
        assert found.sections[0].bars is None

    def test_noise_is_one_section(self, segmenter: Segmenter) -> None:
        noise = 0.1 * np.random.default_rng(0).standard_normal(45 * RATE)
        assert len(segmenter.segment_array(noise.astype(np.float32), RATE).sections) == 1

    @pytest.mark.parametrize(("seconds", "level", "reason"), [(30, 0.0, "silence"), (3, 0.1, "too short")])
    def test_the_reason_is_told(self, segmenter: Segmenter, seconds: int, level: float, reason: str) -> None:
        tone = level * np.sin(np.arange(seconds * RATE) * 0.05)
        found = segmenter.segment_array(tone.astype(np.float32), RATE)
        assert (found.sections, found.reason) == ((), reason)

    def test_nothing(self, segmenter: Segmenter) -> None:
        assert segmenter.segment_array(np.zeros(0, np.float32), RATE).reason in {"silence", "too short"}


class TestRefused:
    @pytest.mark.parametrize(
        "options", [{"n_sections": 0}, {"min_bars": 0}, {"metre": 9}, {"min_bpm": 400.0}]
    )
    def test_options(self, options: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=r"."):
            Segmenter(device="cpu", **options)

    def test_a_model_of_another_kind(self) -> None:
        with pytest.raises(ModelError):
            Segmenter("tempo", device="cpu")

    def test_a_file_that_is_no_audio(self, segmenter: Segmenter, tmp_path: Path) -> None:
        (tmp_path / "song.wav").write_bytes(b"no audio at all")
        with pytest.raises(AudioError):
            segmenter.segment(tmp_path / "song.wav")
