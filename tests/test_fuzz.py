"""benchmarks/fuzz.py: the fields it finds, the lies it tells, and what it takes for a failure."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import sys
import zlib
from itertools import islice

import fuzz
import pytest
import soundfile
from fuzzing.bombs import make_bombs
from fuzzing.containers import find_parts, rates, seal
from fuzzing.layout import Field, Grammar, chunks, frames
from fuzzing.mutations import LIES, Case, Made, Mutator
from fuzzing.seeds import SAMPLE_RATE, SECONDS, Seed, SeedError, make_seeds, play
from fuzzing.verdict import CONFIDENTLY, WRONG, Outcome, as_row, counts, judge, read_rows
from fuzzing.watch import Watch

CAF_RATE = int.from_bytes(struct.pack(">d", SAMPLE_RATE), "big")


def encoded(kind, subtype):
    buffer = io.BytesIO()
    soundfile.write(buffer, play(126.0, stereo=True), SAMPLE_RATE, format=kind, subtype=subtype)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def wav():
    return Seed("wav", "wav", "riff", 126.0, encoded("WAV", "PCM_16"))


@pytest.fixture(scope="module")
def ogg():
    return Seed("ogg", "ogg", "ogg", 126.0, encoded("OGG", "VORBIS"))


@pytest.fixture
def mutator(wav, ogg):
    return Mutator([wav, ogg], seed=3)


class TestField:
    def test_bits_within_bytes(self):
        field = Field("rate", 12, 20)  # as in FLAC
        data = bytes.fromhex("ff0ac441ff")
        assert field.read(data) == 0xAC441
        assert field.write(data, 0x12345).hex() == "ff012345ff"
        assert field.write(data, -1).hex() == "ff0fffffff"

    def test_lowest_byte_first(self):
        field = Field("rate", 8, 16, little=True)
        assert field.read(b"\0\x22\x56\0") == 22050
        assert field.write(b"\0\x22\x56\0", 1) == b"\0\x01\0\0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("container", "kind", "subtype", "said"),
    [
        ("riff", "WAV", "PCM_16", {("fmt.rate", SAMPLE_RATE)}),
        ("flac", "FLAC", "PCM_16", {("00.rate", SAMPLE_RATE)}),
        ("ogg", "OGG", "VORBIS", {("head.rate", SAMPLE_RATE)}),
        ("au", "AU", "PCM_16", {("header.rate", SAMPLE_RATE)}),
        ("caf", "CAF", "PCM_16", {("desc.rate", CAF_RATE)}),
        ("mpeg", "MP3", "MPEG_LAYER_III", {("frame.rate", 0), ("frame.version_rate", 2)}),
    ],
)  # fmt: skip
def test_the_sample_rate_is_found(container, kind, subtype, said):
    found = rates(encoded(kind, subtype), container)
    assert {each for each in found if "frame_rate" not in each[0]} == said


def test_chunks_lie_within_chunks():
    grammar = Grammar(size_first=True, counts_header=True, nested={b"moov": 0})
    data = b"\0\0\0\x18moov\0\0\0\x10mvhdabcdefgh"
    assert [(part.name, part.start, part.body, part.end) for part in chunks(data, grammar)] == [
        ("moov", 0, 8, 24),
        ("mvhd", 8, 16, 24),
    ]


def test_frames_begin_alike():
    data = b"\0\xff\xfbabc\xff\xf3d\xff\xfbghi\xff\xfb\xff\xfbj\xff"
    found = frames(data, "frame", b"\xff\xe0", 0xFFE0, "_.11 version.2", least=4)
    assert [(part.start, part.end) for part in found] == [(1, 9), (9, 14), (14, 20)]
    assert [part.fields[0].read(data) for part in found] == [3, 3, 3]
    assert frames(b"abc", "frame", b"\xff\xe0", 0xFFE0, "_.11 version.2", least=4) == []


def test_a_page_of_ogg_is_sealed(ogg):
    """Its own checksum comes out for an unharmed one, so that of a lie is right, too."""
    pages = find_parts(ogg.data, "ogg")
    for page in pages:
        assert seal(ogg.data, "ogg", page.start + 10) == ogg.data
    lied = pages[0].fields[-1].write(ogg.data, 7)
    assert seal(lied, "ogg", pages[0].fields[-1].start) != lied


def test_the_plan_lies_about_each_field_and_cuts_it(mutator):
    cases = list(islice(mutator.plan(), 3 * mutator.n_fields))
    for kind in ("lie", "cut"):
        assert len({(case.seed, case.what) for case in cases if case.mutation == kind}) == mutator.n_fields
    assert len({case.mutation for case in cases}) > 10


def test_the_same_seed_makes_the_same_files(wav, ogg, mutator):
    again, other = Mutator([wav, ogg], seed=3), Mutator([wav, ogg], seed=4)
    cases = list(islice(mutator.plan(), 60))
    made = [mutator.make(case) for case in cases]
    assert made == [again.make(case) for case in islice(again.plan(), 60)]
    assert made != [other.make(case) for case in islice(other.plan(), 60)]
    assert len({each.name for each in made}) == 60
    assert all("/" not in each.name and len(each.name) < 200 for each in made)


def test_lies_and_cuts_are_what_they_say(wav, mutator):
    lie = mutator.make(Case(7, "wav", "lie", "fmt.rate", "x"))
    said = dict(rates(lie.data, "riff"))["fmt.rate"]
    assert lie.rate_lie
    assert said != SAMPLE_RATE
    assert lie.name.rsplit(".", 2)[1] in LIES
    assert len(lie.data) == len(wav.data)
    cut = mutator.make(Case(7, "wav", "cut", "fmt.rate", "x"))
    assert cut.data == wav.data[:26]
    assert not cut.rate_lie
    channels = mutator.make(Case(7, "wav", "lie", "fmt.channels", "x"))
    assert not channels.rate_lie
    assert channels.right == (126.0,)


def test_unknown_seeds_and_a_missing_ffmpeg_are_said(monkeypatch, tmp_path):
    with pytest.raises(SeedError, match="there is no seed wav_17"):
        make_seeds(["wav_16", "wav_17"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SeedError, match="needs the command ffmpeg"):
        make_seeds(["wav_16"])


class TestVerdict:
    def outcome(self, **changes):
        whole = {"name": "a.wav", "right": [126.0], "rate_lie": False, "bpm": 97.0, "confidence": 0.5}
        return Outcome(**whole | changes)

    @pytest.mark.parametrize(
        ("changes", "wrong"),
        [
            ({}, True),
            ({"confidence": 0.49}, False),
            ({"notes": ["damaged after 3 s"]}, False),
            ({"right": []}, False),
            ({"right": [126.0, 98.0]}, False),
            ({"bpm": None}, False),
            ({"bpm": 129.0}, False),
            ({"bpm": 252.0}, False),
            ({"bpm": 31.5}, False),
            ({"bpm": 42.0}, True),
            ({"bpm": 189.0}, True),
        ],
    )
    def test_wrong_is_confident_without_a_note_and_no_octave(self, changes, wrong):
        assert self.outcome(**changes).wrong is wrong

    def test_music_at_another_speed_is_told_apart(self):
        assert self.outcome(bpm=189.0, duration=SECONDS / 1.5).sped
        assert self.outcome(bpm=84.0, duration=3.0 * SECONDS).sped  # three times slower, and the octave above
        assert not self.outcome(bpm=189.0, duration=SECONDS).sped

    def test_breakdowns(self):
        errors = {
            "internal error: KeyError: 1 (please report this)": "internal error",
            "its decoder crashed (SIGSEGV)": "crash",
            "took longer than 60 s": "hang",
            "its decoder was killed (SIGKILL), as the system does when memory runs out": "killed",
            "is empty": None,
        }
        for error, kind in errors.items():
            assert self.outcome(error=error).breakdown == kind

    def test_rows_and_lines_are_tied_to_files(self, tmp_path):
        made = [
            Made(Case(0, "wav", "cut", "", ""), name, b"", (126.0,), False)
            for name in ("a.wav", "b.wav", "c.wav")
        ]
        row = {"bpm": 97.0, "confidence": 0.9, "duration": 8.0, "reason": None, "error": None}
        failed = dict.fromkeys(row) | {"error": "is empty"}
        rows = [
            {"path": "f/a.wav"} | row,
            {"path": "f/b.wav"} | failed,
            {"path": "f/b.wav"} | failed,
            {"path": "f/x"} | row,
        ]
        (tmp_path / "out").write_text("".join(f"{json.dumps(each)}\n" for each in rows))
        said = "tempo: f/a.wav: damaged after 3.0 s: cut\ntempo: f/b.wav: is empty\n"
        said += "tempo: 3 files, in 1 s\nTraceback\n"
        outcomes, complaints = judge(made, tmp_path / "out", said, "f")
        assert [each.notes for each in outcomes] == [["damaged after 3.0 s: cut"], [], []]
        assert complaints == [
            "a row for no file: x",
            "on stderr: Traceback",
            "2 rows: b.wav",
            "0 rows: c.wav",
        ]
        assert not outcomes[0].wrong
        assert counts(outcomes)["a tempo, with a note of damage"] == 1

    def test_outcomes_are_kept(self, tmp_path):
        outcomes = [self.outcome(), self.outcome(name="b.wav", bpm=126.0)]
        lines = ['{"seed": 1}', *map(as_row, outcomes)]
        (tmp_path / "kept").write_text("".join(f"{line}\n" for line in lines))
        assert read_rows(tmp_path / "kept") == outcomes
        assert counts(outcomes)[WRONG] == 1
        assert counts(outcomes)[CONFIDENTLY] == 2


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_laid_to_the_open_file(tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "large.wav").touch()
    code = (
        "import time; f = open('music/large.wav'); x = b'x' * 150_000_000; print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code]
    with (
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True) as child,
        Watch(child.pid, tmp_path / "music", kill_mb=140.0) as watch,
    ):
        assert child.wait(timeout=60) == -9
    assert watch.largest_mb["large.wav"] > 140.0
    assert watch.peak_mb > 140.0
    assert watch.n_killed


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_small_run(model_path, tmp_path, monkeypatch, capsys):
    kept = tmp_path / "kept.jsonl"
    small = ["fuzz.py", "--files", "20", "--of", "wav_16", "ogg_vorbis", "m4a_aac"]
    monkeypatch.setattr(sys, "argv", [*small, "--results", str(kept)])
    with pytest.raises(SystemExit):
        fuzz.main()
    said = capsys.readouterr().out
    assert "seed 1, 20 files from 3 seeds" in said
    assert "| files | 20 |" in said
    outcomes = read_rows(kept)
    assert len(outcomes) == 20
    assert all(each.rows == 1 for each in outcomes)
    assert any(each.bpm is not None for each in outcomes)
    assert any(each.error is not None for each in outcomes)
    name = outcomes[4].name
    monkeypatch.setattr(sys, "argv", [*small, "--only", name, "--keep", str(tmp_path / "one")])
    fuzz.main()
    assert (tmp_path / "one" / name).is_file()


@pytest.mark.slow
def test_bombs_unpack_to_more_than_they_are():
    bombs = {made.name: made.data for made in make_bombs(megabytes=20)}
    assert len(bombs) == 3
    header = bombs["bomb-header.mov"]
    place = header.index(b"cmvd")
    size = int.from_bytes(header[place + 4 : place + 8], "big")
    unpacked = zlib.decompress(header[place + 8 :])
    assert (len(unpacked), unpacked[4:8]) == (size, b"moov")
    assert size > 500 * len(header)
    assert b"cmov" in zlib.decompress(bombs["bomb-header-in-header.mov"].partition(b"cmvd")[2][4:])
    assert len(bombs["bomb-tracks.mka"]) < 5_000_000
