"""Work begun before it is asked for: all of it, in order, and no more of it than is said."""

from __future__ import annotations

import pytest

from tempocli.system.prefetch import ahead


@pytest.mark.parametrize("n_items", [0, 1, 3, 4, 20])
def test_all_come_in_order(n_items: int) -> None:
    assert [future.result() for future in ahead(str, range(n_items), 3)] == [str(i) for i in range(n_items)]


def test_no_more_is_begun_than_is_said() -> None:
    begun: list[int] = []
    for number, future in enumerate(ahead(begun.append, range(20), 3)):
        future.result()
        assert len(begun) <= number + 4


def test_an_error_is_that_of_its_item() -> None:
    good, bad, other = ahead(int, ["1", "x", "2"], 2)
    assert (good.result(), other.result()) == (1, 2)
    with pytest.raises(ValueError, match="x"):
        bad.result()
