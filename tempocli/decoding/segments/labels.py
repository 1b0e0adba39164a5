"""Which sections are repeats of each other."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ALIKE = 0.3  # mean similarity of sections with one label


def section_similarity(vectors: Floats, boundaries: Sequence[int]) -> Floats:
    """Compare sections cell by cell, each pair at its best place.

    The shorter section may stick out of the longer one by up to half its length, so that a boundary that is a
    few cells off does little harm. Cells that stick out count as not alike.

    Parameters
    ----------
    vectors : ndarray of float64, shape=(n_cells, dim)
        Their products are similarities.
    boundaries : sequence of int
        From 0 to the number of cells.

    Returns
    -------
    ndarray of float64, shape=(n_sections, n_sections)
    """
    sections = [vectors[start:end] for start, end in pairwise(boundaries)]
    similar = np.eye(len(sections))
    for row, section in enumerate(sections):
        for column in range(row):
            similar[row, column] = similar[column, row] = _best(section, sections[column])
    return similar


def _best(section: Floats, other: Floats) -> float:
    short, long = sorted((section, other), key=len)
    products = short @ long.T
    out = len(short) // 2
    steps = range(-out, len(long) - len(short) + out + 1)
    return max(float(np.diagonal(products, step).sum()) for step in steps) / len(short)


def group(similar: Floats) -> list[int]:
    """Group sections by average linkage, as long as groups are alike.

    Parameters
    ----------
    similar : ndarray of float64, shape=(n_sections, n_sections)

    Returns
    -------
    list of int
        Group of each section, numbered from 0 in order of their first sections.
    """
    similar = similar.copy()
    n_sections = len(similar)
    np.fill_diagonal(similar, -np.inf)
    sizes = np.ones(n_sections)
    groups = np.arange(n_sections)
    for _ in range(n_sections - 1):
        first, second = sorted(divmod(int(similar.argmax()), n_sections))
        if similar[first, second] < _ALIKE:
            break
        weights = sizes[[first, second]] / sizes[[first, second]].sum()
        merged = weights @ similar[[first, second]]
        merged[[first, second]] = -np.inf
        similar[first], similar[:, first] = merged, merged
        similar[second], similar[:, second] = -np.inf, -np.inf
        sizes[first] += sizes[second]
        groups[groups == groups[second]] = groups[first]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups.tolist()))}
    return [numbers[name] for name in groups.tolist()]


def letters(number: int) -> str:
    """Return ``"A"``, ``"B"``, ..., ``"Z"``, ``"AA"``, ... for 0, 1, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
