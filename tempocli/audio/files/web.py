"""Fetch files named by URLs of the web, with fsspec and aiohttp (extra ``http``), within limits."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tempocli.errors import AudioError, MissingExtraError
from tempocli.system import temporary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedWriter, FileIO

logger = logging.getLogger(__name__)

_CHUNK = 1 << 18
_CONNECT_SECONDS = 30.0
_SILENCE_SECONDS = 60.0
_LONGEST_SUFFIX = 10


@dataclass(frozen=True, slots=True)
class WebLimits:
    """Limits of one file from the web.

    Attributes
    ----------
    max_bytes : int
        Maximum size in bytes.
    timeout : float
        Maximum time in seconds. A connection that takes longer than 30 s, or that brings nothing for 60 s, is
        given up earlier.
    """

    max_bytes: int = 10**9
    timeout: float = 600.0


def require() -> None:
    """Raise MissingExtraError if fsspec or aiohttp is not installed."""
    try:
        import aiohttp  # noqa: F401
        import fsspec.implementations.http  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Reading a URL", "http") from error


@contextmanager
def fetched(url: str, limits: WebLimits) -> Iterator[str]:
    """Download a file, and remove the copy at the end of the block.

    Parameters
    ----------
    url : str
        URL of the file; redirects are followed.
    limits : WebLimits
        Limits of size and time.

    Yields
    ------
    str
        Path of the copy, a temporary file that only this user can read.

    Raises
    ------
    AudioError
        If it cannot be fetched, or exceeds a limit.
    MissingExtraError
        If fsspec or aiohttp is not installed.
    """
    require()
    suffix = os.path.splitext(urlsplit(url).path)[1][:_LONGEST_SUFFIX]
    copy, file = temporary.make_file(tempfile.gettempdir(), suffix, mode=0o600)
    try:
        _download(url, file, limits)
        yield copy
    finally:
        temporary.discard(copy, file)


def _download(url: str, file: FileIO | BufferedWriter, limits: WebLimits) -> None:
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

    logger.info("fetching %s", url)
    time = aiohttp.ClientTimeout(
        total=limits.timeout, sock_connect=_CONNECT_SECONDS, sock_read=min(_SILENCE_SECONDS, limits.timeout)
    )
    settings = {"timeout": time, "trust_env": True}  # proxies, as the environment sets them
    system = HTTPFileSystem(client_kwargs=settings, skip_instance_cache=True, use_listings_cache=False)
    try:
        # A stream, and the size is given so that nobody asks for it by a request of its own.
        with closing(system.open(url, block_size=0, size=1)) as stream:
            _copy(url, stream, file, limits)
    except AudioError:
        raise
    except Exception as error:
        raise AudioError(url, f"cannot be fetched: {_reason(error, limits)}") from error


def _copy(url: str, stream: Any, file: FileIO | BufferedWriter, limits: WebLimits) -> None:
    too_large = AudioError(url, f"cannot be fetched: it has more than {limits.max_bytes:,} bytes")
    if (stream.r.content_length or 0) > limits.max_bytes:
        raise too_large
    n_bytes = 0
    while chunk := stream.read(_CHUNK):
        n_bytes += len(chunk)
        # A server need not say the size, or say it right.
        if n_bytes > limits.max_bytes:
            raise too_large
        file.write(chunk)
    file.flush()
    final = str(stream.r.url)
    logger.info("fetched %s: %d bytes%s", url, n_bytes, f", from {final}" if stream.r.history else "")


def _reason(error: Exception, limits: WebLimits) -> str:
    import aiohttp

    if isinstance(error, FileNotFoundError):
        return "HTTP 404 Not Found"
    if isinstance(error, aiohttp.TooManyRedirects):
        return "too many redirects"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status} {error.message}".strip()
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection ended before the file did"
    if isinstance(error, TimeoutError):
        return f"the server does not answer in time, or it took longer than {limits.timeout:g} s"
    return " ".join(f"{type(error).__name__}: {error}".split())
