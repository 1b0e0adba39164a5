"""MIDI songs as scores: times, tempi, and files that are not what they seem."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tempocli.errors import DataError
from tempocli.training.synth.midi import Song, groove_performances, midi_length, midi_songs, read_midi

if TYPE_CHECKING:
    from pathlib import Path

mido = pytest.importorskip("mido", reason="needs the extra 'train' (mido)")


def midi_bytes(bpm: float, n_beats: int = 32, *, change_to: float | None = None) -> bytes:
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm))])
    track.append(mido.Message("program_change", channel=0, program=5))
    for beat in range(n_beats):
        if change_to and beat == n_beats // 2:
            track.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / change_to)))
        track.append(mido.Message("note_on", channel=9, note=36, velocity=100))
        track.append(mido.Message("note_on", channel=0, note=60 + beat % 5, velocity=80))
        track.append(mido.Message("note_off", channel=0, note=60 + beat % 5, time=480))
        track.append(mido.Message("note_off", channel=9, note=36))
    out = BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(file=out)
    return out.getvalue()


def test_notes_come_at_the_tempo_of_the_file() -> None:
    score = read_midi(Song("a", midi_bytes(133.0)), style="s", duration=60.0)
    assert score.bpm == pytest.approx(133.0, abs=0.01)
    assert score.programs == {0: 5}
    drums = sorted(note.time for note in score.notes if note.channel == 9)
    assert len(drums) == 32
    np.testing.assert_allclose(np.diff(drums), 60.0 / 133.0, atol=1e-4)


def test_a_part_of_a_song() -> None:
    score = read_midi(Song("a", midi_bytes(120.0, 64)), style="s", duration=8.0, start=10.0)
    assert score.duration == 8.0
    assert all(0.0 <= note.time < 8.0 for note in score.notes)
    assert sum(note.channel == 9 for note in score.notes) == 16


def test_beats_of_a_song() -> None:
    score = read_midi(Song("a", midi_bytes(120.0, 64)), style="s", duration=8.0, start=10.25)
    np.testing.assert_allclose([beat.time for beat in score.beats], 0.25 + 0.5 * np.arange(16), atol=1e-6)
    # The first beat of the part is number 21 of the song.
    assert [beat.position for beat in score.beats[:5]] == [2, 3, 4, 1, 2]


def test_beats_follow_tempi_and_time_signatures() -> None:
    track = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=500_000),
            mido.MetaMessage("time_signature", numerator=3, denominator=4),
            mido.Message("note_on", channel=9, note=36, velocity=100),
            mido.Message("note_off", channel=9, note=36, time=480 * 6),
            mido.MetaMessage("set_tempo", tempo=600_000),
            mido.MetaMessage("time_signature", numerator=7, denominator=8),
            mido.Message("note_on", channel=9, note=36, velocity=100),
            mido.Message("note_off", channel=9, note=36, time=480 * 4),
        ]
    )
    out = BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(file=out)
    score = read_midi(Song("a", out.getvalue()), bpm=120.0, style="s", duration=60.0)
    times = [*(0.5 * np.arange(6)), *(3.0 + 0.6 * np.arange(4))]
    np.testing.assert_allclose([beat.time for beat in score.beats], times, atol=1e-6)
    assert [beat.position for beat in score.beats] == [1, 2, 3, 1, 2, 3, 0, 0, 0, 0]


def test_a_song_that_changes_its_tempo_is_refused() -> None:
    with pytest.raises(DataError, match="changes its tempo"):
        read_midi(Song("a", midi_bytes(100.0, change_to=140.0)), style="s", duration=60.0)


def test_songs_are_found_in_folders_and_in_wad_files(tmp_path: Path) -> None:
    first, second = midi_bytes(100.0), midi_bytes(150.0)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.MID").write_bytes(first)
    lumps = [(b"MAP01", b"nothing"), (b"D_RUNNIN", second), (b"D_AGAIN", first)]
    body, directory = b"", b""
    for label, data in lumps:
        directory += struct.pack("<ii8s", 12 + len(body), len(data), label)
        body += data
    wad = b"IWAD" + struct.pack("<ii", len(lumps), 12 + len(body)) + body + directory
    (tmp_path / "game.wad").write_bytes(wad)
    songs = midi_songs(tmp_path)
    assert {song.data for song in songs} == {first, second}
    assert "game.wad/D_RUNNIN" in {song.name for song in songs}


def test_a_key_signature_that_does_not_exist_says_so() -> None:
    data = midi_bytes(120.0)
    start = data.index(b"MTrk") + 8
    event = b"\x00\xff\x59\x02\x01\xff"
    length = struct.pack(">i", struct.unpack(">i", data[start - 4 : start])[0] + len(event))
    song = Song("odd.mid", data[: start - 4] + length + event + data[start:])
    with pytest.raises(DataError, match="not a MIDI file"):
        read_midi(song, style="s", duration=10.0)


def test_what_is_no_midi_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a MIDI file"):
        read_midi(Song("text.mid", b"this is text"), style="s", duration=10.0)
    with pytest.raises(DataError, match="no MIDI songs"):
        midi_songs(tmp_path)
    (tmp_path / "x.wad").write_bytes(b"no wad")
    midi_songs.cache_clear()
    with pytest.raises(DataError, match="not a WAD"):
        midi_songs(tmp_path)
    (tmp_path / "x.wad").write_bytes(b"IWAD" + struct.pack("<ii", 1, 12) + b"cut off")
    midi_songs.cache_clear()
    with pytest.raises(DataError, match="cut off"):
        midi_songs(tmp_path)


def test_tracks_that_are_pieces_of_their_own_are_refused() -> None:
    out = BytesIO()
    mido.MidiFile(type=2, tracks=[mido.MidiTrack(), mido.MidiTrack()]).save(file=out)
    with pytest.raises(DataError, match="not a MIDI file"):
        midi_length(Song("patterns.mid", out.getvalue()))


def test_performances_that_are_long_enough(tmp_path: Path) -> None:
    row = "drummer1/a.mid,120,funk/groove1,beat,20.5\n"
    (tmp_path / "info.csv").write_text(f"midi_filename,bpm,style,beat_type,duration\n{row}")
    assert groove_performances(tmp_path, min_duration=15.0) == [
        (tmp_path / "drummer1" / "a.mid", 120.0, "funk")
    ]
    with pytest.raises(DataError, match="no performance of 30 s or more"):
        groove_performances(tmp_path, min_duration=30.0)
