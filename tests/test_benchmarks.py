"""The parts of benchmarks/ that need no other tool: its worker protocol, what it keeps, its table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import collection
import compare
import kill
import numpy as np
import opus
import pytest
import soundfile
from harness.commands import BenchmarkError
from harness.environments import STAMP, find_python, make_environment
from harness.estimates import decode, estimate_all, read_kept
from harness.peer_report import Result, draw, table
from harness.selection import spread
from harness.systems import Peer, System, one_line, read_peers, set_up
from harness.worker import WORKERS, Worker, ask_in_turn

from tempocli.evaluation.scoring import Score

BENCHMARKS = WORKERS.parent

# Answers with the number in the file's name; counts its questions in a file, talks too much, fails on 13.
WORKER = f"""
import sys
sys.path.insert(0, {str(WORKERS)!r})
from pathlib import Path
from protocol import serve, variant

def measure(path):
    print("some chatter")
    with open("asked.txt", "a") as file:
        file.write(path + "\\n")
    number = int(Path(path).stem)
    if number == 13:
        raise ValueError("unlucky")
    if number == 99:
        sys.exit("it broke")
    return number * float(variant("1"))

serve(measure, "1.2")
"""


@pytest.fixture
def system(tmp_path):
    worker = tmp_path / "number_worker.py"
    worker.write_text(WORKER, encoding="utf-8")
    return System("numbers", "none", "2", Path(sys.executable), worker, {}, [])


@pytest.fixture
def start(system, tmp_path):
    workers = []

    def start(**changes):
        workers.append(replace(system, **changes).start(tmp_path))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def asked(folder):
    return (folder / "asked.txt").read_text(encoding="utf-8").split()


def test_worker_answers_with_tempo_cost_and_version(start):
    worker = start()
    answer = worker.ask("60.wav")
    assert (answer.bpm, answer.error, answer.version) == (120.0, None, "1.2")
    assert answer.load_cpu_s > 0.0
    assert answer.wall_s >= 0.0
    assert worker.ask("13.wav").error == "ValueError: unlucky"
    assert worker.ask("70.wav").bpm == 140.0


def test_a_worker_that_ends_says_its_last_words(start):
    worker = start()
    with pytest.raises(BenchmarkError, match=r"numbers ended at 99\.wav: it broke"):
        worker.ask("99.wav")


def test_workers_take_turns_at_being_first(start, tmp_path):
    workers = [start(name="a"), start(name="b", variant="3")]
    answers = ask_in_turn(workers, ["1", "2"], rounds=2)
    assert [[answer.bpm for answer in rounds] for rounds in answers["b"]] == [[3.0, 3.0], [6.0, 6.0]]
    assert asked(tmp_path) == ["1", "1", "2", "2", "1", "1", "2", "2"]
    with pytest.raises(BenchmarkError, match="a failed at 13: ValueError: unlucky"):
        ask_in_turn(workers, ["13"], rounds=1)


@pytest.fixture
def tracks(tmp_path, write_wav):
    for number in (60, 13, 80):
        write_wav(np.full(100 + number, 0.1, np.float32), name=f"{number}.wav")
    found = decode(["60.wav", "13.wav", "80.wav"], tmp_path, tmp_path / "wav")
    # The worker of these tests reads names, not sounds.
    return [replace(track, wav=Path(track.path)) for track in found]


def test_a_second_run_asks_only_for_what_is_not_kept(start, tracks, tmp_path):
    store = tmp_path / "estimates" / "numbers.jsonl"
    first = estimate_all(start(), tracks[:2], store)
    assert [(estimate.bpm, estimate.error) for estimate in first] == [
        (120.0, None),
        (None, "ValueError: unlucky"),
    ]
    # As if the run had been stopped in the middle of a line.
    with store.open("a", encoding="utf-8") as file:
        file.write('{"digest": "' + tracks[2].digest)
    assert set(read_kept(store)) == {track.digest for track in tracks[:2]}
    again = estimate_all(start(), tracks, store)
    assert again[:2] == first
    assert again[2].bpm == 160.0
    assert asked(tmp_path) == ["60.wav", "13.wav", "80.wav"]
    assert len(read_kept(store)) == 3


def test_tracks_are_known_by_their_content(tmp_path, write_wav):
    write_wav(np.zeros(50, np.float32), name="a.wav")
    write_wav(np.zeros(50, np.float32), name="b.wav")
    write_wav(np.ones(50, np.float32), name="c.wav")
    a, b, c = decode(["a.wav", "b.wav", "c.wav"], tmp_path, tmp_path / "wav")
    assert a.digest == b.digest != c.digest
    assert not a.lasts_a_minute()
    with pytest.raises(BenchmarkError, match=r"none\.wav"):
        decode(["none.wav"], tmp_path, tmp_path / "wav")


def test_fingerprint_follows_version_method_and_code(system, tmp_path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"one")
    system = replace(system, sources=[source])
    known = {
        system.fingerprint("1"),
        system.fingerprint("2"),
        replace(system, name="other").fingerprint("1"),
    }
    source.write_bytes(b"two")
    known.add(system.fingerprint("1"))
    system.worker.write_text("pass", encoding="utf-8")
    known.add(system.fingerprint("1"))
    assert len(known) == 5
    assert system.fingerprint("1") in known


def test_environment_is_made_once_and_again_when_its_recipe_changes(tmp_path, monkeypatch):
    calls = []

    def call(command):
        calls.append(command[-1])
        (tmp_path / "env").mkdir(exist_ok=True)

    monkeypatch.setattr("harness.environments.call", call)
    folder = tmp_path / "env"
    make_environment(folder, [["one"], ["--pre", "two"]])
    make_environment(folder, [["one"], ["--pre", "two"]])
    assert calls == [str(folder), "one", "two"]
    (folder / STAMP).unlink()  # as when it was stopped halfway
    make_environment(folder, [["one"]])
    make_environment(folder, [["three"]])
    assert calls[3:] == [str(folder), "one", str(folder), "three"]


def test_every_peer_has_a_worker_or_a_reason():
    peers = read_peers(BENCHMARKS / "peers.toml")
    assert {"madmom", "librosa", "aubio"} <= {peer.key for peer in peers}
    for peer in peers:
        assert peer.unavailable or (WORKERS / f"{peer.key}_worker.py").is_file(), peer.key
        assert peer.labels in {"human", "hand-made"}


def test_what_cannot_be_had_gives_its_reason(tmp_path):
    with pytest.raises(BenchmarkError, match="no such thing"):
        set_up(Peer("x", "X", "human", unavailable="no such thing"), tmp_path)
    with pytest.raises(BenchmarkError, match=r"it needs Python 2\.0 or 2\.1"):
        find_python(["2.0", "2.1"])
    assert find_python([]) == sys.executable
    assert one_line("pip failed:\n  ERROR: no package\n") == "ERROR: no package"


@pytest.fixture
def results():
    score = Score(50.0, 40.0, 60.0)
    low = Result("low", "1", "hand-made", score, replace(score, value=70.0), ["a", "b"], 1.25, None)
    high = Result(
        "tempo", "2", "none", replace(score, value=81.3), replace(score, value=97.4), [], 0.5, 0.0712
    )
    return [low, high]


def test_table(results):
    lines = table(results, {"third": "will not build"})
    assert lines[2:4] == [
        "| **tempo** | 2 | none | 81.3 (40.0 to 60.0) | 97.4 (40.0 to 60.0) | 0.071 | 0.5 |",
        "| low | 1 | hand-made | 50.0 (40.0 to 60.0) | 70.0 (40.0 to 60.0) | - | 1.2 |",
    ]
    text = "\n".join(lines)
    assert "low failed on 2 files" in text
    assert "tempo failed" not in text
    assert text.endswith("- third: will not build")


@pytest.mark.slow
def test_picture(results, tmp_path):
    draw(results, tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


def test_spread_takes_evenly():
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread([1, 2], 5) == [1, 2]


def test_worker_needs_no_variant(system, tmp_path):
    worker = Worker("plain", [sys.executable, str(system.worker)], tmp_path)
    assert worker.ask("60.wav").bpm == 60.0
    worker.close()


def test_a_collection_has_each_source_in_turn(tmp_path, monkeypatch, capsys):
    tones = {"first/a.wav": 2.0, "first/b.wav": 3.0, "second/c.wav": 2.0, "second/short.wav": 0.1}
    for name, seconds in tones.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, np.zeros(int(8000 * seconds)), 8000)
    (tmp_path / "second" / "broken.wav").write_bytes(b"RIFF")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # no ffmpeg
    command = ["collection.py", "out", "first", "--mp3", "second", "--files", "5", "--seconds", "1", "9"]
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", command)
        collection.main()
    assert capsys.readouterr().out == 2 * "5 files from 2, 1\n"
    made = sorted(path for path in Path("out").iterdir() if path.is_file())
    assert [path.name for path in made] == [f"00000{n}.{'mp3' if n % 2 else 'wav'}" for n in range(5)]
    assert made[0].samefile("first/a.wav")
    assert made[1].samefile(made[3])
    assert soundfile.info(made[1]).format == "MP3"
    with pytest.raises(SystemExit, match="no audio of 5 to 9 seconds"):
        collection.suitable(["first"], 5.0, 9.0)


class TestKill:
    def test_same_results_pass_and_others_do_not(self, tmp_path):
        whole, output = tmp_path / "whole.csv", tmp_path / "out.csv"
        whole.write_text("path,bpm\na,1\nb,2\n")
        output.write_text("path,bpm\na,1\nb,2\n")
        kill.compare(whole, output, 2)
        for text, complaint in (
            ("path,bpm\na,1\n", "1 rows of 1 files, not of 2"),
            ("path,bpm\na,1\na,1\n", "2 rows of 1 files, not of 2"),
            ("path,bpm\na,1\nb,3\n", "not those of the undisturbed run"),
        ):
            output.write_text(text)
            with pytest.raises(SystemExit, match=complaint):
                kill.compare(whole, output, 2)

    @pytest.mark.parametrize("suffix", ["csv", "jsonl"])
    def test_only_whole_rows_are_read(self, tmp_path, suffix):
        output, part = tmp_path / f"out.{suffix}", tmp_path / f"out.{suffix}.part"
        assert kill.paths_in(output) == []
        lines = "path,bpm\na,1\nb," if suffix == "csv" else '{"path": "a"}\n{"path": "b'
        part.write_text("# mark\n" + lines)
        assert kill.paths_in(output) == ["a"]
        part.write_text("")
        assert kill.paths_in(output) == []
        part.unlink()
        output.write_text("path,bpm\nc,1\n" if suffix == "csv" else '{"path": "c"}\n')
        assert kill.paths_in(output) == ["c"]

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
    def test_workers_are_told_from_the_process_that_starts_them(self):
        server = "sh -c 'echo $$; read line; true'; true"
        main = ["sh", "-c", 'sh -c "$0"; true', server]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(main, **pipes, start_new_session=True) as run:
            worker = int(run.stdout.readline())
            assert kill.workers_of(run.pid) == [worker]
            run.communicate(b"\n")
        assert kill.workers_of(run.pid) == []


@pytest.mark.slow
def test_the_methods_are_scored_at_every_rate(
    compare_path, model_path, click_track, tmp_path, capsys
) -> None:
    soundfile.write(tmp_path / "a.wav", click_track(120.0, 13.0), 22050)
    soundfile.write(tmp_path / "wrong.wav", click_track(120.0, 13.0), 22050)
    (tmp_path / "table.csv").write_text("path,bpm\na.wav,120\nwrong.wav,97\n")
    compare.run_rates(tmp_path / "table.csv")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 * (len(compare.RATES) + 1)
    for line, method in zip(said[-3:], ("classify", "compare", "both"), strict=True):
        assert line.startswith(f"all rates, {method}: ")
        assert line.endswith("Accuracy 2 50.00 % of 10")


@pytest.mark.parametrize("samples", [0, 7, -240])
def test_displacement_of_the_second_half(samples):
    theirs = np.random.default_rng(0).normal(size=10 * opus.RATE).astype(np.float32)
    assert opus.displacement(np.roll(theirs, samples), theirs) == pytest.approx(samples / opus.RATE)
