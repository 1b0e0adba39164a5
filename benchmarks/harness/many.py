"""Many files from few: the same under other names."""

from __future__ import annotations

import os
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def link_many(sources: Iterable[str], folder: Path, count: int) -> None:
    """Make a folder of `count` links to files, each taken in turn."""
    folder.mkdir()
    for number, source in enumerate(islice(cycle(sources), count)):
        (folder / f"{number:06d}{Path(source).suffix}").symlink_to(os.path.abspath(source))
