"""The description of an index, in its file ``index.json``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError
from tempocli.features.rhythm import RhythmAxis
from tempocli.inference.music import PartSpec
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tempocli.inference.music import MusicSpec

FORMAT = 1
DESCRIPTION = "index.json"
_MAX_DIM = 100_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Description of an index.

    Attributes
    ----------
    settings : dict
        What the results depend on: models, versions, options; see `tempocli.embedding.index.indexer`.
    parts : tuple of PartSpec
        Parts of a vector, in order.
    rhythm : RhythmAxis
        Axis of the part ``rhythm``.
    generation : int
        Number in the names of the files of vectors and tracks; it increases when stale rows are removed.
    """

    settings: Mapping[str, Any]
    parts: tuple[PartSpec, ...]
    rhythm: RhythmAxis
    generation: int = 0

    @classmethod
    def of(cls, spec: MusicSpec, settings: Mapping[str, Any]) -> Layout:
        """Return the layout of a new index of a model."""
        return cls(settings, spec.parts, spec.rhythm)

    @property
    def dim(self) -> int:
        """Length of a vector with all parts."""
        return sum(part.dim for part in self.parts)

    @property
    def tracks_name(self) -> str:
        """Name of the log of tracks."""
        return f"tracks-{self.generation}.jsonl"

    @property
    def vectors_name(self) -> str:
        """Name of the file of vectors."""
        return f"vectors-{self.generation}.f32"

    @property
    def sections_name(self) -> str:
        """Name of the file of vectors of sections."""
        return f"sections-{self.generation}.f32"

    @property
    def has_sections(self) -> bool:
        """Whether the tracks have sections."""
        return "sections" in self.settings

    @property
    def neighbours_name(self) -> str:
        """Name of the file of the approximate search, which not every index has."""
        return f"neighbours-{self.generation}.usearch"

    def next(self) -> Layout:
        """Return the layout of the next generation."""
        return replace(self, generation=self.generation + 1)

    def write(self, folder: str) -> None:
        """Write the description atomically."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        with atomic_file(os.path.join(folder, DESCRIPTION)) as file:
            file.write(text.encode())


def read_layout(folder: str) -> Layout:
    """Read the description of an index.

    Raises
    ------
    DataError
        If there is no index, or it is damaged or of another version of tempo.
    """
    try:
        with open(os.path.join(folder, DESCRIPTION), encoding="utf-8") as file:
            values = json.load(file)
    except OSError as error:
        raise DataError(f"{folder}: not an index of tempo ({DESCRIPTION}: {error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{folder}: damaged ({DESCRIPTION}: {error})") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise DataError(f"{folder}: an index of another version of tempo; make it again with --rebuild")
    try:
        parts = tuple(PartSpec(str(part["name"]), int(part["dim"])) for part in values["parts"])
        layout = Layout(
            dict(values["settings"]), parts, RhythmAxis(**values["rhythm"]), int(values["generation"])
        )
        if not 0 < layout.dim <= _MAX_DIM or min(part.dim for part in parts) < 1 or layout.generation < 0:
            raise ValueError("sizes out of range")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: damaged ({DESCRIPTION}: {error})") from error
    return layout
