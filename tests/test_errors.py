"""Errors cross process borders whole."""

from __future__ import annotations

import pickle

import pytest

from tempocli.errors import AudioError, DataError, MissingExtraError, TempoError


@pytest.mark.parametrize(
    "error", [AudioError("a.wav", "is empty"), MissingExtraError("training", "train"), DataError("bad")]
)
def test_errors_survive_pickling(error: TempoError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
