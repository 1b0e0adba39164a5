"""How worker processes are started."""

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
# multiprocessing keeps its list of processes, and reads how they ended, as if there were one thread.
processes = threading.Lock()


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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    prepare_folder()
    return context


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
