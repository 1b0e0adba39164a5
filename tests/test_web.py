"""Files behind URLs with the local engine, from servers of this machine; each command is a process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "docs" / "sample.ogg"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLE.is_file(), reason="needs docs/sample.ogg, which is not here"),
]

needs_client = pytest.mark.skipif(
    not (find_spec("fsspec") and find_spec("aiohttp")), reason="needs the extra http, which is not here"
)


class Handler(BaseHTTPRequestHandler):
    """Answers by the name of what is asked for, and keeps what was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.partition("?")[0].strip("/")
        data = SAMPLE.read_bytes()
        if name == "moved.ogg":
            self._answer(302, {"Location": "/song.ogg"})
        elif name == "loop.ogg":
            self._answer(302, {"Location": "/loop.ogg"})
        elif name == "secret.ogg":
            self._answer(403)
        elif name == "hangs.ogg":
            self.server.stop.wait(30)  # type: ignore[attr-defined]
        elif name == "endless.ogg":  # without its size
            self._answer(200)
            self.wfile.write(data)
        elif name == "short.ogg":
            self._answer(200, {"Content-Length": str(len(data))})
            self.wfile.write(data[:1000])
        elif name == "text.ogg":
            self._answer(200, {"Content-Length": "5"})
            self.wfile.write(b"hello")
        elif name in {"song.ogg", "a song.ogg", "a%20song.ogg"}:
            self._answer(200, {"Content-Length": str(len(data))})
            self.wfile.write(data)
        else:
            self._answer(404)

    def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.stop = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.stop.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def estimate(tmp_path: Path, *args: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    (tmp_path / "tmp").mkdir(exist_ok=True)
    more = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp"), "NO_PROXY": "127.0.0.1"}
    start = ["-m", "tempocli"] if code is None else ["-c", code]
    command = [sys.executable, *start, "estimate", "--method", "periodicity", *args]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | more, capture_output=True, text=True, timeout=120, check=False
    )
    left = [name for name in os.listdir(tmp_path / "tmp") if not name.startswith("pymp-")]
    assert left == []
    return done


@needs_client
class TestFetching:
    def test_one_file(self, tmp_path: Path, url: str) -> None:
        local = estimate(tmp_path, str(SAMPLE)).stdout
        done = estimate(tmp_path, f"{url}/song.ogg")
        assert (done.returncode, done.stdout, done.stderr) == (0, local, "")
        # Only what is named is asked for, and once.
        assert Handler.asked == ["/song.ogg"]

    def test_redirects_queries_and_v(self, tmp_path: Path, url: str) -> None:
        done = estimate(tmp_path, "-v", f"{url}/moved.ogg?token=1")
        assert done.returncode == 0
        size = SAMPLE.stat().st_size
        assert f"fetching {url}/moved.ogg?token=1\n" in done.stderr
        said = f"fetched {url}/moved.ogg?token=1: {size} bytes, from {url}/song.ogg\n"
        assert said in done.stderr
        assert Handler.asked == ["/moved.ogg?token=1", "/song.ogg"]

    def test_several(self, tmp_path: Path, url: str) -> None:
        local = estimate(tmp_path, str(SAMPLE)).stdout.strip()
        names = [f"{url}/song.ogg", str(SAMPLE), f"{url}/gone.ogg", f"{url}/a%20song.ogg", f"{url}/list.m3u"]
        done = estimate(tmp_path, *names)
        assert done.returncode == 3
        assert done.stdout.splitlines() == [f"{name}\t{local}" for name in (*names[:2], names[3])]
        assert done.stderr.splitlines() == [
            f"tempo: {url}/gone.ogg: cannot be fetched: HTTP 404 Not Found",
            f"tempo: {url}/list.m3u: a list of files must be a file of this machine",
        ]
        assert "/list.m3u" not in Handler.asked

    def test_parts_and_results_that_are_continued(self, tmp_path: Path, url: str) -> None:
        args = (f"{url}/song.ogg", "--start", "2", "-o", "out.csv")
        assert estimate(tmp_path, *args).returncode == 0
        before = (tmp_path / "out.csv").read_text()
        assert f"\n{url}/song.ogg," in before
        assert estimate(tmp_path, *args, "--resume").returncode == 0
        assert (tmp_path / "out.csv").read_text() == before
        assert Handler.asked == ["/song.ogg"]

    @pytest.mark.parametrize(
        ("name", "args", "said"),
        [
            ("gone.ogg", [], "cannot be fetched: HTTP 404 Not Found"),
            ("secret.ogg", [], "cannot be fetched: HTTP 403 Forbidden"),
            ("loop.ogg", [], "cannot be fetched: too many redirects"),
            ("short.ogg", [], "cannot be fetched: the connection ended before the file did"),
            ("song.ogg", ["--max-download", "1kB"], "cannot be fetched: it has more than 1,000 bytes"),
            ("endless.ogg", ["--max-download", "1kB"], "cannot be fetched: it has more than 1,000 bytes"),
            (
                "hangs.ogg",
                ["--timeout", "1"],
                "cannot be fetched: the server does not answer in time, or it took longer than 1 s",
            ),
        ],
    )
    def test_errors(self, tmp_path: Path, url: str, name: str, args: list[str], said: str) -> None:
        done = estimate(tmp_path, f"{url}/{name}", *args)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"tempo: {url}/{name}: {said}\n"

    def test_what_is_no_audio_has_its_own_name_in_the_message(self, tmp_path: Path, url: str) -> None:
        done = estimate(tmp_path, f"{url}/text.ogg")
        assert done.returncode == 1
        assert done.stderr.startswith(f"tempo: {url}/text.ogg: ")
        assert len(done.stderr.splitlines()) == 1
        assert "/tmp" not in done.stderr

    def test_nobody_listens(self, tmp_path: Path) -> None:
        done = estimate(tmp_path, "http://127.0.0.1:9/a.ogg")
        assert done.returncode == 1
        assert done.stderr.startswith("tempo: http://127.0.0.1:9/a.ogg: cannot be fetched: ")
        assert len(done.stderr.splitlines()) == 1


def test_urls_in_lists_are_not_followed(tmp_path: Path, url: str) -> None:
    (tmp_path / "a.m3u").write_text(f"{url}/song.ogg\n")
    done = estimate(tmp_path, "a.m3u")
    assert done.returncode == 1
    assert "a URL: lists may name local files only" in done.stderr
    assert Handler.asked == []


def test_tags_cannot_be_written_there(tmp_path: Path, url: str) -> None:
    done = estimate(tmp_path, f"{url}/song.ogg", "--write-tags")
    assert done.returncode == 2
    assert "cannot write into a file behind a URL" in done.stderr


def test_says_which_extra_is_missing(tmp_path: Path, url: str) -> None:
    code = "import sys; sys.modules['aiohttp'] = None; from tempocli.cli import main; main()"
    done = estimate(tmp_path, f"{url}/song.ogg", code=code)
    assert done.returncode == 1
    assert done.stderr == (
        "tempo: Reading a URL needs the extra 'http': pip install 'tempo-estimate[http]'\n"
    )
    (tmp_path / "list.txt").write_text(f"{url}/song.ogg\n")
    listed = estimate(tmp_path, "--files-from", "list.txt", code=code)
    assert listed.returncode == 1
    assert "needs the extra 'http'" in listed.stderr
    assert Handler.asked == []
