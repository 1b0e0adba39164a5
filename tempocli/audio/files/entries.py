"""Resolve an entry of a list of files to a local file, or refuse it."""

from __future__ import annotations

import ntpath
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from tempocli.schema import AudioInput

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST_EXTENSIONS = frozenset({".cue", ".m3u", ".m3u8", ".pls"})

_MAX_LENGTH = 4096  # of a path, on the systems that we know
_SHOWN = 60  # characters of what is longer
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_SURROGATES = re.compile("[\udc80-\udcff]")


def is_list(path: str) -> bool:
    """Return whether a path is a list of files, by its extension."""
    return os.path.splitext(path)[1].lower() in LIST_EXTENSIONS


def is_url(name: str) -> bool:
    """Return whether a name is a URL of the web."""
    return _WEB.match(name) is not None


def entry(text: str, folder: str) -> AudioInput:
    """Create an input from an entry of a list.

    Parameters
    ----------
    text : str
        A path, from `folder` or absolute, with slashes or backslashes, or a ``file`` URL; bytes that are not
        UTF-8 as Python has them in paths.
    folder : str
        The folder of the list.

    Returns
    -------
    AudioInput
        With a refusal for another URL, a folder, and another list.
    """
    if len(text) > _MAX_LENGTH:
        return AudioInput(f"{text[:_SHOWN]}...", refusal=f"a name of {len(text):,} characters is no path")
    url = _URL.match(text)
    if url is not None and url[1].lower() != "file":
        return AudioInput(text, refusal="a URL: lists may name local files only")
    path = _local(text) if url is not None else _found(text, folder)
    if path is None:
        return AudioInput(text, refusal="names no file of this machine")
    if "\0" in path:
        return AudioInput(text, refusal="has a null character, which no path has")
    if is_list(path):
        return AudioInput(path, refusal="a list within a list, which is not followed")
    if os.path.isdir(path):
        return AudioInput(path, refusal="a folder: lists may name files only")
    return AudioInput(path)


def legible(text: str) -> str:
    """Decode bytes that are not UTF-8, which are surrogates in `text`, as Windows-1252."""
    if not _SURROGATES.search(text):
        return text
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:  # five bytes mean nothing there
        return raw.decode("latin-1")


def _local(url: str) -> str | None:
    """Return the path of a ``file`` URL; None if it is on another machine."""
    host, slash, path = url.partition("://")[2].partition("/")
    if host.lower() not in {"", "localhost"} or not slash:
        return None
    decoded = os.fsdecode(unquote_to_bytes(os.fsencode(path)))
    return decoded if ntpath.splitdrive(decoded)[0] else f"/{decoded}"


def _found(text: str, folder: str) -> str:
    """Return the first spelling that exists; if none exists, the first one."""
    paths = [_joined(folder, spelling) for spelling in _spellings(text)]
    return next((path for path in paths if os.path.exists(path)), paths[-1])


def _spellings(text: str) -> Iterator[str]:
    """Yield what a name may mean, the likeliest first; last, what is said to be missing if none is there."""
    plain = legible(text)
    for name in dict.fromkeys((text, plain)):
        yield name
        if "%" in name:  # some players write names as URLs have them
            yield os.fsdecode(unquote_to_bytes(os.fsencode(name)))
        if "\\" in name:
            yield name.replace("\\", "/")
    yield plain.replace("\\", "/")


def _joined(folder: str, name: str) -> str:
    if os.path.isabs(name) or ntpath.splitdrive(name)[0]:
        return name
    # A dash alone would be standard input.
    return os.path.join(folder, name) if folder or name != "-" else "./-"
