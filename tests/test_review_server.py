"""Who may ask the server of `tempo review`, what for, and what the command says."""

from __future__ import annotations

import http.client
import json
import os
import signal
import tempfile
import wave
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from review_site import HOSTILE, in_force, make_results, record, rows, site, start_command

from tempocli.audio import tags
from tempocli.cli import cli
from tempocli.cli.review.folders import preview_folder
from tempocli.cli.review.server import byte_range
from tempocli.cli.review.tagging import Tagger
from tempocli.output.review import read_queue
from tempocli.schema import Part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tempocli.cli.review.server import ReviewServer

pytestmark = pytest.mark.slow


class Asker:
    """A client with the token in a header, unless other headers are given."""

    def __init__(self, server: ReviewServer) -> None:
        self.server = server
        self.token = {"X-Tempo-Token": server.token}

    def ask(
        self, path: str, headers: dict[str, str] | None = None, *, body: Any = None, method: str | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        sent = self.token if headers is None else headers
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            sent = {"Content-Type": "application/json"} | sent
        connection.request(method or ("GET" if data is None else "POST"), path, data, sent)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def json(self, path: str, **more: Any) -> Any:
        status, _, data = self.ask(path, **more)
        assert status == 200, data
        return json.loads(data)


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[Asker]:
    with site(make_results(tmp_path_factory.mktemp("review"), 3, hostile=True)) as server:
        yield Asker(server)


def test_the_token_becomes_a_cookie_and_leaves_the_address(asker: Asker) -> None:
    status, headers, _ = asker.ask(f"/?token={asker.server.token}", {})
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
    cookie = headers["Set-Cookie"].partition(";")[0]
    status, headers, page = asker.ask("/", {"Cookie": cookie})
    assert status == 200
    assert b"<script type" in page
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "*" not in policy


PATHS = [
    "/",
    "/main.js",
    "/api/info",
    "/api/tracks",
    "/api/track?number=0",
    "/api/sound?number=0",
    "/api/next",
]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_told(asker: Asker, path: str) -> None:
    for headers in ({}, {"X-Tempo-Token": "x"}, {"Cookie": f"{asker.server.cookie}=\xff; a"}):
        status, _, data = asker.ask(path, headers)
        assert (status, list(json.loads(data))) == (403, ["error"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_names_and_sites_are_refused(asker: Asker, headers: dict[str, str]) -> None:
    for path in ("/api/info", f"/?token={asker.server.token}"):
        assert asker.ask(path, asker.token | headers)[0] == 403
    act = {"number": 1, "seen": 0, "action": "accept", "bpm": 100}
    assert asker.ask("/api/act", asker.token | headers, body=act)[0] == 403
    assert asker.json("/api/track?number=1")["state"]["seen"] == 0


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Content-Type": "text/plain"}]
)
def test_a_form_of_another_page_writes_nothing(asker: Asker, headers: dict[str, str]) -> None:
    act = {"number": 1, "seen": 0, "action": "accept", "bpm": 100}
    assert asker.ask("/api/act", asker.token | headers, body=act)[0] in {403, 415}
    assert asker.json("/api/track?number=1")["state"]["seen"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "/../session.py", "/%2e%2e/session.py", "/static/../../session.py", "//etc/passwd", "/etc/passwd",
        "/api/sound?number=3", "/api/sound?number=-1", "/api/sound?number=/etc/passwd",
        "/api/sound?number=0&path=/etc/passwd/x&number=99", "/index.html/..", "/api/track?number=1e9",
    ],
)  # fmt: skip
def test_only_files_of_the_page_and_numbers_of_tracks_are_served(asker: Asker, path: str) -> None:
    assert asker.ask(path)[0] in {400, 404}


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"1", b"[" * 4000, {}, {"number": 1}, {"number": True, "seen": 0, "action": "undo"},
        {"number": 1, "seen": 0, "action": "delete"}, {"number": 1, "seen": 0, "action": "accept"},
        {"number": 1, "seen": 0, "action": "accept", "bpm": "120"},
        {"number": 1, "seen": 0, "action": "accept", "bpm": 1e9},
        {"number": 1, "seen": 0, "action": "accept", "bpm": True},
        b'{"number": 1, "seen": 0, "action": "accept", "bpm": NaN}',
        {"number": 1, "seen": 0, "action": "accept", "bpm": 120, "first_beat": "x\ny"},
        {"number": 9, "seen": 0, "action": "accept", "bpm": 120}, b" " * 5000,
    ],
)  # fmt: skip
def test_requests_without_sense_write_nothing(asker: Asker, body: Any) -> None:
    assert asker.ask("/api/act", body=body)[0] in {400, 404, 413}
    assert asker.json("/api/info")["version"] == 0


def test_names_are_sent_as_printable_text(asker: Asker) -> None:
    assert asker.json("/api/track?number=0")["title"] == HOSTILE.replace("\n", "\\n").replace(
        "\u202e", "\\u202e"
    )


def test_sound_and_beats_are_of_the_same_samples(asker: Asker) -> None:
    preview = asker.json("/api/preview?number=1")
    status, headers, data = asker.ask("/api/sound?number=1")
    assert (status, headers["Content-Type"], headers["Accept-Ranges"]) == (200, "audio/wav", "bytes")
    with wave.open(BytesIO(data)) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (44100, 1)
        assert sound.getnframes() / 44100 == pytest.approx(preview["duration"])
    assert preview["duration"] == pytest.approx(12.0, abs=0.01)
    gaps = [later - earlier for earlier, later in zip(preview["beats"], preview["beats"][1:], strict=False)]
    assert sorted(gaps)[len(gaps) // 2] == pytest.approx(60 / preview["bpm"], abs=0.01)
    status, headers, some = asker.ask("/api/sound?number=1", asker.token | {"Range": "bytes=44-143"})
    assert (status, headers["Content-Range"]) == (206, f"bytes 44-143/{len(data)}")
    assert some == data[44:144]
    status, headers, _ = asker.ask("/api/sound?number=1", asker.token | {"Range": "bytes=999999999-"})
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(data)}")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, (0, 100)), ("bytes=0-", (0, 100)), ("bytes=10-19", (10, 20)), ("bytes=90-500", (90, 100)),
        ("bytes=-5", (95, 100)), ("bytes=-500", (0, 100)), ("bytes=100-", None), ("bytes=-0", None),
        ("bytes=5-2", (0, 100)), ("bytes=0-1,5-6", (0, 100)), ("bytes=-", (0, 100)), ("lines=1-2", (0, 100)),
    ],
)  # fmt: skip
def test_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == expected


def test_a_track_that_cannot_be_read_says_why(tmp_path: Path, model_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    paths = [str(tmp_path / "bad.wav"), str(tmp_path / "gone\udcff.wav")]
    results = tmp_path / "tempi.jsonl"
    results.write_text("".join(json.dumps(record(each, 90.0, 0.5)) + "\n" for each in paths))
    with site(results) as server:
        asker = Asker(server)
        for number in (0, 1):
            status, _, data = asker.ask(f"/api/preview?number={number}")
            assert (status, list(json.loads(data))) == (422, ["error"])
        assert asker.json("/api/track?number=1")["title"] == "gone\\udcff.wav"
        act = {"number": 1, "seen": 0, "action": "correct", "bpm": 99.5}
        assert asker.ask("/api/act", body=act)[0] == 200
    (row,) = rows(results.with_suffix(".corrections.csv"))
    assert row == {"path": paths[1], "bpm": "99.5", "action": "correct"}


@contextmanager
def command(results: Path, *options: str) -> Iterator[tuple[Any, str, int]]:
    process, url = start_command(results, *options)
    try:
        port = int(url.split(":")[2].split("/")[0])
        yield process, url.partition("token=")[2], port
    finally:
        process.kill()
        process.communicate()


def post(port: int, token: str, **act: Any) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"X-Tempo-Token": token, "Content-Type": "application/json"}
    connection.request("POST", "/api/act", json.dumps(act), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_corrections_go_into_tags_and_ctrl_c_ends(tmp_path: Path, model_path: Path) -> None:
    mutagen = pytest.importorskip("mutagen")
    results = make_results(tmp_path, 2)
    with command(results, "--write-tags") as (process, token, port):
        assert post(port, token, number=0, seen=0, action="correct", bpm=140) == 200
        assert post(port, token, number=1, seen=0, action="accept", bpm=102) == 200
        assert post(port, token, number=0, seen=1, action="correct", bpm=150) == 200
        assert post(port, token, number=0, seen=1, action="correct", bpm=160) == 409
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "1 corrected, 1 accepted, 3 tags written" in said
    written = [str(mutagen.File(tmp_path / f"track {number}.wav").tags["TBPM"]) for number in (0, 1)]
    assert written == ["150", "102"]
    assert in_force(results.with_suffix(".corrections.csv")) == {"track 0.wav": "150", "track 1.wav": "102"}


def test_an_undo_gives_the_tag_back_or_says_that_it_stays(tmp_path: Path) -> None:
    mutagen = pytest.importorskip("mutagen")
    tracks = read_queue(make_results(tmp_path, 2))
    tags.write_tempo(tracks[0].path, 99.0)
    tagger = Tagger(max_memory=None)
    for track in tracks:
        tagger.put(track, 140.0)
        tagger.put(track, None)
    tagger.put(replace(tracks[0], path=str(tmp_path / "gone\n.wav")), 90.0)
    tagger.put(replace(tracks[0], part=Part(1.0, 2.0)), 90.0)
    tagger.close()
    assert [str(mutagen.File(track.path).tags["TBPM"]) for track in tracks] == ["99", "140"]
    assert [note.rpartition("not written: ")[2] for note in tagger.notes] == [
        "it had no tempo before, and keeps the one that was undone",
        "No such file or directory",
        "a part's tempo is not the file's",
    ]
    assert "gone\\n.wav" in tagger.notes[1]


def test_what_a_killed_review_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, foreign = tmp_path / "tempo-review-left", tmp_path / "tempo-review-foreign"
    for folder in (left, foreign):
        folder.mkdir()
        (folder / "a.wav").touch()
    (left / "lock").touch()
    with preview_folder() as first, preview_folder() as second:
        assert sorted(os.listdir(tmp_path)) == sorted(
            [os.path.basename(first), os.path.basename(second), foreign.name]
        )
        assert os.stat(first).st_mode & 0o077 == 0
    assert os.listdir(tmp_path) == [foreign.name]


def test_bad_calls_end_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = make_results(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    calls = (
        (["list.csv"], 1, "list.csv: not a result file of tempo estimate\n"),
        ([results.name, "-o", results.name], 2, "is an input: it would be overwritten."),
        ([results.name, "-o", "list.csv"], 1, "list.csv: not a file of corrections"),
        ([results.name, "-o", f"no{os.sep}where.csv"], 1, "No such file or directory"),
    )
    for args, code, said in calls:
        done = CliRunner().invoke(cli, ["review", *args], prog_name="tempo")
        assert (done.exit_code, done.stdout) == (code, "")
        assert said in done.stderr
