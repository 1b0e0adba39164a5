"""Start work on items before their results are requested, for storage with high latency."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(work: Callable[[Item], Result], items: Iterable[Item], number: int) -> Iterator[Future[Result]]:
    """Apply a function to items in threads, and yield the results in order.

    Parameters
    ----------
    work : callable
    items : iterable
    number : int
        Maximum number of items in progress or waiting to be yielded.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(number) as threads:
        coming = deque(threads.submit(work, item) for item in islice(waiting, number))
        while coming:
            first = coming.popleft()
            coming.extend(threads.submit(work, item) for item in islice(waiting, 1))
            yield first
