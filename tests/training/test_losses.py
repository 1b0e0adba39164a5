"""The tables of losses: what is summed and logged, and a further loss by one line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.errors import DataError  # noqa: E402
from tempocli.training.comparator.losses import LOSSES as COMPARISON_LOSSES  # noqa: E402
from tempocli.training.contrastive.losses import LOSSES as CONTRASTIVE_LOSSES  # noqa: E402
from tempocli.training.engine import HISTORY  # noqa: E402
from tempocli.training.identity import identity  # noqa: E402
from tempocli.training.kinds import train  # noqa: E402
from tempocli.training.losses import Term, total_loss  # noqa: E402
from tempocli.training.tempo.losses import LOSSES as TEMPO_LOSSES  # noqa: E402


def test_weighted_losses_are_summed_and_all_are_logged(recipe) -> None:
    table = {
        "one": lambda outputs, recipe, step: Term(outputs * 1.0, 1.0),
        "two": lambda outputs, recipe, step: Term(outputs * 10.0, 0.5),
        "later": lambda outputs, recipe, step: Term(outputs * 100.0, 0.0 if step < 5 else 1.0),
        "never": lambda outputs, recipe, step: None,
    }
    outputs = torch.tensor(2.0, requires_grad=True)
    loss, values = total_loss(table, outputs, recipe, 0)
    loss.backward()
    assert values == {"loss": 12.0, "one": 2.0, "two": 20.0, "later": 200.0}
    assert outputs.grad == 6.0
    assert total_loss(table, outputs, recipe, 5)[1]["loss"] == 212.0


def test_a_recipe_without_a_loss_that_counts_is_refused(recipe) -> None:
    table = {"one": lambda outputs, recipe, step: Term(outputs, 0.0)}
    with pytest.raises(DataError, match="gives no loss a weight"):
        total_loss(table, torch.tensor(1.0), recipe, 0)


@pytest.mark.slow
def test_a_further_loss_is_one_line_of_the_table(
    recipe, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flatness(outputs, recipe, step: int) -> Term:
        return Term(outputs.labelled.square().mean(), recipe.losses.get("flatness", 0.0))

    further = replace(recipe, losses={"flatness": 0.5})
    assert identity(further) != identity(recipe)
    with pytest.raises(DataError, match="names losses that do not exist: flatness"):
        train(further, data_folder, tmp_path)
    monkeypatch.setitem(TEMPO_LOSSES, "flatness", flatness)
    train(further, data_folder, tmp_path / "run")
    values = json.loads((tmp_path / "run" / HISTORY).read_text().splitlines()[0])
    assert values["loss"] == pytest.approx(values["supervised"] + 0.5 * values["flatness"])


def test_every_kind_has_its_losses() -> None:
    assert {"supervised", "equivariance"} <= set(TEMPO_LOSSES)
    assert {"same_tempo", "ratio"} <= set(COMPARISON_LOSSES)
    assert {"same_track"} <= set(CONTRASTIVE_LOSSES)
