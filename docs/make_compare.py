"""Make a table of what contrastive embeddings hold, by augmentation, and its figure.

for r in none eq pitch stretch none-long stretch-long; do
    tempo train run $r --data data --out runs/$r
done
python docs/make_compare.py --data data --runs runs
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tempocli.training.checkpoint import CHECKPOINT, load_network
from tempocli.training.contrastive.network import ContrastiveNetwork
from tempocli.training.contrastive.probing import Locality, measure
from tempocli.training.contrastive.recipe import ContrastiveRecipe
from tempocli.training.data.sampling import Split
from tempocli.training.data.store import open_store
from tempocli.training.recipe import find_recipe, read_recipe

RECIPES = {
    "none": "none",
    "eq": "EQ, gain, noise",
    "pitch": "pitch shift",
    "stretch": "time-stretch",
    "none-long": "none, 12 s",
    "stretch-long": "stretch, 12 s",
}
COLUMNS = {
    "tempo": "tempo",
    "folded": "tempo, octaves folded",
    "tempo_elsewhere": "tempo, other styles",
    "rate": "tempo, same recording",
    "style": "style",
    "group": "package",
}


def table(rows: dict[str, Locality]) -> str:
    """Write a Markdown table, in percent."""
    lines = ["| augmentation | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, locality in rows.items():
        values = asdict(locality)
        lines.append(f"| {name} | " + " | ".join(f"{100 * values[key]:.1f}" for key in COLUMNS) + " |")
    return "\n".join(lines)


def draw(rows: dict[str, Locality], chance: Locality, path: Path) -> None:
    """Draw the tempo locality against the augmentation."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for offset, (key, label) in enumerate(list(COLUMNS.items())[:4]):
        places = [place + 0.21 * (offset - 1.5) for place in range(len(rows))]
        heights = [100 * asdict(locality)[key] for locality in rows.values()]
        bars = axes.bar(places, heights, 0.19, label=label)
        level = 100 * asdict(chance)[key]
        for place in places:
            axes.plot([place - 0.095, place + 0.095], [level, level], color="black", linewidth=1)
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_xticks(range(len(rows)), list(rows))
    axes.set_ylabel("neighbours that share it, %")
    axes.set_title("What the augmentation leaves of the tempo (black: chance)", fontsize=10)
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=4)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure every run that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--labelled", default="synthetic")
    parser.add_argument("--figure", type=Path, default=Path(__file__).parent / "locality.png")
    arguments = parser.parse_args()
    rows: dict[str, Locality] = {}
    for name, title in RECIPES.items():
        recipe = read_recipe(find_recipe(name), ContrastiveRecipe)
        checkpoint = arguments.runs / name / CHECKPOINT
        network = load_network(ContrastiveNetwork(recipe.network), checkpoint, recipe)
        labelled = open_store(arguments.data / arguments.labelled)
        unlabelled = open_store(arguments.data / next(iter(recipe.stores)))
        rows[title], chance = measure(network, labelled, unlabelled, Split(recipe.held_out))
    sys.stdout.write(table(rows | {"(chance)": chance}) + "\n")
    draw(rows, chance, arguments.figure)


if __name__ == "__main__":
    main()
