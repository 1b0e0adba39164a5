"""Tables of results for pandas and polars, where one of them is installed; tempo does not need them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tempocli.errors import TempoError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tempocli.schema import FileResult

_LIBRARIES = ("pandas", "polars")
_COLUMNS = (
    "bpm",
    "bpm_error",
    "confidence",
    "octave_confidence",
    "steady",
    "reason",
    "duration",
    "model",
    "model_version",
)


def estimates_to_dataframe(results: Iterable[FileResult], *, library: str | None = None) -> Any:
    """Make a data frame of the results of a batch, a row for each.

    Parameters
    ----------
    results : iterable of FileResult
        Such as those of `tempocli.batch.estimate_files` or `Estimator.estimate_many`.
    library : str, optional
        ``"pandas"`` or ``"polars"``; by default, the first of them that is installed.

    Returns
    -------
    pandas.DataFrame or polars.DataFrame
        Columns: ``path``, ``start``, ``bpm``, ``bpm_error``, ``confidence``, ``octave_confidence``,
        ``steady``, ``reason``, ``duration``, ``model``, ``model_version``, ``error``.
        `start` is that of the part, in seconds. All but ``path``, ``start`` and ``error`` are missing
        if the input failed.

    Raises
    ------
    TempoError
        If the library is not installed.
    ValueError
        If the library is another one.
    """
    if library is not None and library not in _LIBRARIES:
        raise ValueError(f"library must be 'pandas' or 'polars', not {library!r}")
    names = _LIBRARIES if library is None else (library,)
    found = next((name for name in names if find_spec(name) is not None), None)
    if found is None:
        raise TempoError(f"a data frame needs {' or '.join(names)}: pip install {names[0]}")
    # A column that no row fills has no type of its own.
    return import_module(found).DataFrame(estimate_columns(results))


def estimate_columns(results: Iterable[FileResult]) -> dict[str, list[Any]]:
    """Return the columns of `estimates_to_dataframe` as lists; ``None`` where there is no value."""
    columns: dict[str, list[Any]] = {name: [] for name in ("path", "start", *_COLUMNS, "error")}
    for result in results:
        columns["path"].append(result.path)
        columns["start"].append(0.0 if result.part is None else result.part.start)
        columns["error"].append(result.error)
        for name in _COLUMNS:
            columns[name].append(None if result.estimate is None else getattr(result.estimate, name))
    return columns
