"""Work that is begun before it is asked for: what is far away takes its time to come."""

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
    """Do some work on items by threads, and yield what comes of each, in order.

    Parameters
    ----------
    work : callable
    items : iterable
    number : int
        Items that are worked on at the same time, and kept until they are asked for.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(number) as threads:
        coming = deque(threads.submit(work, item) for item in islice(waiting, number))
        while coming:
            first = coming.popleft()
            coming.extend(threads.submit(work, item) for item in islice(waiting, 1))
            yield first
