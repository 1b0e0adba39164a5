"""The server: who may ask, and how answers are sent. It listens on this machine's loopback only."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tempocli.cli.review.session import PAGE, RequestError, parsed

if TYPE_CHECKING:
    from tempocli.cli.review.session import ReviewSession

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_MOST_BODY = 4096
_PIECE = 1 << 18
_SECONDS = 60.0  # a connection may be idle
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ReviewServer(ThreadingHTTPServer):
    """Serve the page to whoever has the token; use `serve_forever`, `shutdown` and `server_close`.

    Parameters
    ----------
    session : ReviewSession
    port : int
        0 for any that is free.

    Attributes
    ----------
    url : str
        The address of the page, with the token.

    Raises
    ------
    OSError
        If the port is taken.
    """

    daemon_threads = True
    # Two servers on one port would share its requests.
    allow_reuse_port = False

    def __init__(self, session: ReviewSession, port: int = 0) -> None:
        self.session = session
        self.token = secrets.token_urlsafe(32)
        self.static = _static()
        super().__init__((_HOST, port), _Handler)
        self.port: int = self.server_address[1]
        self.hosts = {f"{_HOST}:{self.port}", f"localhost:{self.port}"}
        # Cookies do not tell ports apart.
        self.cookie = f"tempo_review_{self.port}"
        self.url = f"http://{_HOST}:{self.port}/?token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what goes wrong in a connection; a page that is closed is no error."""
        logger.debug("a request failed", exc_info=True)


def _static() -> dict[str, tuple[str, bytes]]:
    """Read the files of the page: the only files that can be asked for by name."""
    found = {}
    for file in (files(__package__) / "static").iterdir():
        kind = _TYPES.get(os.path.splitext(file.name)[1])
        if kind is not None:
            found[f"/{file.name}"] = (kind, file.read_bytes())
    return found


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "tempo"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        # The line of a request may have the token.
        pass

    def _answer(self, function: Any) -> None:
        try:
            address = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(address.query).items()}
            if self.headers.get("Host") not in self.server.hosts:
                raise RequestError(403, "this name is not the server's")
            if self.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
                raise RequestError(403, "asked by another site")
            if self._logs_in(address.path, query):
                return
            if not self._may():
                raise RequestError(403, "open the address that tempo review has printed")
            function(address.path, query)
        except RequestError as error:
            # What was sent may not have been read.
            self.close_connection = True
            self._json({"error": str(error)}, error.status)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True
        except OSError as error:
            self.close_connection = True
            logger.error("%s", error)
            self._json({"error": f"cannot be written: {error.strerror or error}"}, 507)

    def _logs_in(self, path: str, query: dict[str, str]) -> bool:
        """Exchange the token of the address for a cookie, so that it is not left in the address bar."""
        if path != "/" or self.command != "GET" or not self._is_token(query.get("token")):
            return False
        self.send_response(303)
        self.send_header("Location", "/")
        cookie = f"{self.server.cookie}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
        self.send_header("Set-Cookie", cookie)
        self._end(0)
        return True

    def _may(self) -> bool:
        cookies = SimpleCookie()
        with suppress(CookieError):
            cookies.load(self.headers.get("Cookie", ""))
        cookie = cookies.get(self.server.cookie)
        return self._is_token(None if cookie is None else cookie.value) or self._is_token(
            self.headers.get("X-Tempo-Token")
        )

    def _is_token(self, value: str | None) -> bool:
        return value is not None and secrets.compare_digest(value.encode(), self.server.token.encode())

    def _get(self, path: str, query: dict[str, str]) -> None:
        session = self.server.session
        if path == "/api/info":
            self._json(session.info())
        elif path == "/api/tracks":
            self._json(session.rows(_number(query, "offset"), _number(query, "limit", PAGE)))
        elif path == "/api/track":
            self._json(session.track(_number(query, "number")))
        elif path == "/api/next":
            self._json(session.next_open(_number(query, "after", -1)))
        elif path == "/api/changes":
            self._json(session.changes(_number(query, "since")))
        elif path == "/api/preview":
            self._send("application/json", session.preview(_number(query, "number")))
        elif path == "/api/sound":
            self._file(session.sound(_number(query, "number")))
        else:
            kind, data = self.server.static.get("/index.html" if path == "/" else path, ("", b""))
            if not kind:
                raise RequestError(404, "not found")
            self._send(f"{kind}; charset=utf-8", data)

    def _post(self, path: str, query: dict[str, str]) -> None:
        if path != "/api/act":
            raise RequestError(404, "not found")
        # A page of another site cannot send this type without asking first.
        if self.headers.get("Content-Type") != "application/json":
            raise RequestError(415, "not application/json")
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            raise RequestError(403, "asked by another site")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,6}", length, re.ASCII) or int(length) > _MOST_BODY:
            raise RequestError(413, "too long")
        done = self.server.session.act(parsed(self.rfile.read(int(length))))
        self._json(done, 409 if done["conflict"] else 200)

    def _file(self, path: str) -> None:
        """Send a WAV file of the previews, or the range of it that is asked for."""
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise RequestError(503, "the preview is gone: ask again") from error
        with file:
            size = os.fstat(file.fileno()).st_size
            span = byte_range(self.headers.get("Range"), size)
            if span is None:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self._end(0)
                return
            first, end = span
            is_part = (first, end) != (0, size)
            self.send_response(206 if is_part else 200)
            if is_part:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "audio/wav")
            self._end(end - first)
            file.seek(first)
            left = end - first
            while left and (piece := file.read(min(_PIECE, left))):
                self.wfile.write(piece)
                left -= len(piece)
            self.close_connection = self.close_connection or left > 0

    def _json(self, value: Any, status: int = 200) -> None:
        # In ASCII, so that also what is no Unicode text can be sent.
        self._send("application/json", json.dumps(value, allow_nan=False).encode(), status)

    def _send(self, kind: str, data: bytes, status: int = 200) -> None:
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self._end(len(data))
            self.wfile.write(data)

    def _end(self, length: int) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the end of what a Range header asks for; None if there is nothing there.

    A header of a form that is not understood, or several ranges, mean the whole file, as RFC 9110 allows.
    """
    found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", header or "", re.ASCII)
    if found is None or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        first, end = max(0, size - int(found[2])), size
    else:
        first, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < first:
            return 0, size
    return (first, end) if first < end else None


def _number(query: dict[str, str], name: str, default: int = 0) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
        raise RequestError(400, f"{name} is not a number")
    return int(text)
