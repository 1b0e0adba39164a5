"""How worker processes are started."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from contextlib import contextmanager
from multiprocessing import util
from types import ModuleType
from typing import TYPE_CHECKING

from tempocli.errors import TempoError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerContext, SpawnContext

_PRELOADED = ["tempocli.batch.worker", "tempocli.estimator"]
# The path of a socket has at most 103 bytes (macOS; 107 on Linux), and that of a server's is 33 longer than
# the folder for temporary files: /pymp-xxxxxxxx/listener-xxxxxxxx.
_MAX_FOLDER_BYTES = 68
_SHORT_FOLDERS = ("/tmp", "/var/tmp")


def start_context() -> SpawnContext | ForkServerContext:
    """Get what starts worker processes.

    Raises
    ------
    TempoError
        If there is no folder for the socket by which they are started.
    """
    # A server that forks: workers start in milliseconds and share the memory of the libraries, yet inherit
    # neither our threads nor our open files, as they would if we forked.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    _make_socket_folder()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _make_socket_folder() -> None:
    """Have multiprocessing make its folder where the paths of sockets are short enough.

    It makes one folder a process, in that for temporary files, and remembers it.
    """
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= _MAX_FOLDER_BYTES:
        return
    for folder in _SHORT_FOLDERS:
        if os.access(folder, os.W_OK | os.X_OK):
            tempfile.tempdir = folder
            try:
                util.get_temp_dir()
            finally:
                tempfile.tempdir = usual
            return
    raise TempoError(
        f"{usual}: the path of this folder for temporary files is too long for worker processes; "
        "set TMPDIR to a shorter one"
    )


@contextmanager
def without_main_module() -> Iterator[None]:
    """Keep a new process from running the main module, which it would for what might be pickled by its name.

    Nothing of ours is; so scripts need no guard, and workers start sooner.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
