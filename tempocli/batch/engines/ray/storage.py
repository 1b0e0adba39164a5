"""Storage of files: paths, and URLs through fsspec and its packages."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tempocli.audio.files.entries import is_list
from tempocli.batch import Selection, find_inputs
from tempocli.errors import AudioError, MissingExtraError, TempoError
from tempocli.schema import AudioInput
from tempocli.system import temporary
from tempocli.system.atomic_files import atomic_file
from tempocli.system.fingerprints import Fingerprint
from tempocli.system.locks import open_locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO

    from tempocli.schema import Part

_LONGEST_SUFFIX = 10
_copies: dict[str, FileIO] = {}  # open, and so locked, while they are used


def is_url(name: str) -> bool:
    """Return whether a name is a URL and not a path."""
    return "://" in name


def open_storage(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL or path, and the path in it.

    Raises
    ------
    MissingExtraError
        If fsspec is not installed.
    TempoError
        If the package for this kind of URL is not installed, or there is none.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError("A URL", "ray") from error
    try:
        # No cache: changes by other machines must be visible, and long listings must not be kept in memory.
        system, path = url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise TempoError(f"{url}: {error}") from error
    return system, path


def locate(
    names: Iterable[str], selection: Selection, part: Part | None = None
) -> Iterator[tuple[AudioInput, str]]:
    """Yield the inputs of files and folders, as `tempocli.batch.find_inputs` does.

    Parameters
    ----------
    names : iterable of str
        Files and folders, paths or URLs.
    selection : Selection
        Selects the files of folders.
    part : Part, optional
        Part of each input.

    Yields
    ------
    wanted : AudioInput
        The input, as named by the user.
    location : str
        Location of its file, valid on all machines.
    """
    for name in names:
        if not is_url(name):
            for wanted in find_inputs([name], selection, part=part):
                yield wanted, os.path.abspath(wanted.path)
        elif is_list(name):
            yield AudioInput(name, refusal="a list of files must be a file of this machine"), name
        else:
            yield from ((AudioInput(url, part), url) for url in _find_urls(name, selection))


def _find_urls(url: str, selection: Selection) -> Iterator[str]:
    system, top = open_storage(url)
    with storage_errors(url):
        if not system.isdir(top):
            yield url
            return
        found = _walk(system, top.rstrip("/"), "", selection)
        first = next(found, None)
        yield url if first is None else first
        yield from found


def _walk(system: Any, folder: str, above: str, selection: Selection) -> Iterator[str]:
    # By name and type: a bucket may have both an object "a" and objects "a/...".
    for name, kind, path in sorted(_listing(system, folder)):
        below = above + name
        if name.startswith("."):
            continue
        if kind == "directory":
            if selection.enters(below):
                yield from _walk(system, path.rstrip("/"), f"{below}/", selection)
        elif selection.takes(below):
            yield system.unstrip_protocol(path)


def _listing(system: Any, folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and path of the entries of a folder."""
    is_web = "http" in _protocols(system)
    for entry in system.ls(folder, detail=True):
        path = entry["name"].rstrip("/")
        # Object stores list the placeholder of a folder among its entries.
        if path != folder.rstrip("/"):
            name = path.rsplit("/", 1)[-1]
            yield unquote(name) if is_web else name, entry["type"], entry["name"]


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Convert storage errors in the block, which differ by package, to TempoError."""
    try:
        yield
    except TempoError:
        raise
    except Exception as error:
        raise TempoError(f"{url}: {_in_one_line(error)}") from error


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def fetch(location: str) -> tuple[str, bool]:
    """Return a local path of a file, which is downloaded if necessary.

    Returns
    -------
    path : str
        Local path.
    is_copy : bool
        Whether it is a copy, which the caller must remove by `discard_copy`.

    Raises
    ------
    AudioError
        If it cannot be fetched.
    """
    if not is_url(location):
        return location, False
    system, path = open_storage(location)
    if "file" in _protocols(system):
        return path, False
    copy, file = temporary.make_file(tempfile.gettempdir(), _suffix(path), mode=0o600)
    _copies[copy] = file
    try:
        system.get_file(path, copy)
    except Exception as error:  # each package has errors of its own
        discard_copy(copy)
        raise AudioError(location, f"cannot be fetched: {_in_one_line(error)}") from error
    return copy, True


def discard_copy(path: str) -> None:
    """Remove a copy made by `fetch`."""
    temporary.discard(path, _copies.pop(path))


def _suffix(path: str) -> str:
    """Return the suffix of a file, which one decoder uses, without the query of a signed URL."""
    return os.path.splitext(path.partition("?")[0])[1][:_LONGEST_SUFFIX]


def remote_fingerprint(location: str, sha256: str | None) -> Fingerprint | None:
    """Return the fingerprint of the file of a URL, as far as its storage provides it."""
    system, path = open_storage(location)
    try:
        modified = system.modified(path)
        return Fingerprint(int(system.size(path)), int(modified.timestamp() * 1e9), sha256)
    except Exception:  # the web need not say, and each package has errors of its own
        return None


def write_whole(location: str, data: bytes) -> None:
    """Write a file atomically, replacing an old one."""
    system, path = open_storage(location)
    if "file" in _protocols(system):
        with atomic_file(path) as file:
            file.write(data)
    else:
        system.pipe_file(path, data)  # writes to object stores are atomic


@contextmanager
def locked(url: str) -> Iterator[bool]:
    """Lock a folder for this process while the block runs; buckets cannot be locked.

    Yields
    ------
    bool
        Whether the lock was obtained.
    """
    system, folder = open_storage(url)
    if "file" not in _protocols(system):
        yield True
        return
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "_lock")
    file = open_locked(path)
    try:
        yield file is not None
    finally:
        if file is not None:
            os.unlink(path)
            file.close()


def _protocols(system: Any) -> tuple[str, ...]:
    protocol = system.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
