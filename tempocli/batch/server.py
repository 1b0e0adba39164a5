"""Start worker processes."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from tempocli.batch.sockets import prepare_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import ForkServerContext, SpawnContext

_PRELOADED = [
    "tempocli.batch.worker",
    "tempocli.estimator",
    "tempocli.inference.references.bank",
    "tempocli.inference.comparator",
]
# multiprocessing's list of processes and their exit codes is not thread-safe.
processes = threading.Lock()


def start_context() -> SpawnContext | ForkServerContext:
    """Return the multiprocessing context that starts worker processes.

    Raises
    ------
    TempoError
        If no folder can be created for the socket of the server that starts them.
    """
    # With a fork server, workers start in milliseconds and share the memory of the libraries. Unlike forks of
    # this process, they do not inherit our threads and open files.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    prepare_folder()
    return context


@contextmanager
def without_main_module() -> Iterator[None]:
    """Prevent a new process from running the main module again.

    multiprocessing would do so to unpickle objects of the main module, and we send none. So scripts do not
    need a ``__main__`` guard, and workers start faster.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
