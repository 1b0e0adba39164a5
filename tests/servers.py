"""Servers of files for tests, each a process of its own: HTTP, stand-ins for S3 and Google Cloud Storage."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_STARTS = 3
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Storage:
    """Storage that runs.

    Attributes
    ----------
    url : str
        Of the folder that tests may fill.
    environment : mapping
        Variables by which clients find it.
    put : callable
        ``put("b/a.wav", data)`` puts a file there, without the client that is tested.
    """

    url: str
    environment: Mapping[str, str]
    put: Callable[[str, bytes], None]


@contextmanager
def http_storage(folder: Path) -> Iterator[Storage]:
    """Python's own server, over a folder."""

    def put(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    command = ["-m", "http.server", "PORT", "--bind", "127.0.0.1", "--directory", str(folder)]
    with _running(command) as address:
        yield Storage(address, {}, put)


@contextmanager
def s3_storage() -> Iterator[Storage]:
    """Moto's server, with a bucket."""
    with _running(["-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT"]) as address:
        _ask("PUT", f"{address}/bucket")

        def put(name: str, data: bytes) -> None:
            _ask("PUT", f"{address}/bucket/{urllib.parse.quote(name)}", data)

        keys = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        yield Storage("s3://bucket", {"AWS_ENDPOINT_URL": address, **keys}, put)


@contextmanager
def gcs_storage() -> Iterator[Storage]:
    """The server of gcp-storage-emulator, with a bucket."""
    code = "from gcp_storage_emulator.__main__ import main; main()"
    options = ["start", "--host=127.0.0.1", "--port=PORT", "--in-memory", "--default-bucket=bucket"]
    with _running(["-c", code, *options]) as address:

        def put(name: str, data: bytes) -> None:
            query = urllib.parse.urlencode({"uploadType": "media", "name": name})
            _ask("POST", f"{address}/upload/storage/v1/b/bucket/o?{query}", data)

        # Which kind of bucket it is, gcsfs would ask Google.
        plain = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        yield Storage("gs://bucket", {"STORAGE_EMULATOR_HOST": address, **plain}, put)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


@contextmanager
def _running(arguments: list[str]) -> Iterator[str]:
    """Start Python with a server, PORT among its arguments standing for a free one, and end it."""
    with tempfile.TemporaryFile() as said:
        child, port = _start(arguments, said)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()
            child.wait()


def _start(arguments: list[str], said: BinaryIO) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(_STARTS):
        port = _free_port()
        command = [each.replace("PORT", str(port)) for each in arguments]
        child = subprocess.Popen([sys.executable, "-W", "ignore", *command], stdout=said, stderr=said)
        # Somebody else may have taken the port in the meantime, and answer in the server's place.
        if _answers(child, port) and child.poll() is None:
            return child, port
        child.kill()
        child.wait()
    said.seek(0)
    raise AssertionError(f"{arguments} does not answer: {said.read().decode()}")


def _answers(child: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _ask(method: str, url: str, data: bytes | None = None) -> None:
    headers = {"Content-Type": "application/octet-stream"} if data is not None else {}
    urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30).close()
