"""Measure what neighbours in embeddings have in common, by augmentation and by part of the vector.

for r in none eq pitch stretch all; do
    tempo train run locality-$r --data data --out runs/locality-$r
done
python docs/make_locality.py --data data --runs runs

Writes the table of docs/locality.md and its figure. The data folder is that of `tempo train data music`.
Needs the extras `train` and `plot`; the columns genre, key and instruments need the data of ../shared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from music import data as shared

from tempocli import Embedder
from tempocli.audio import load_audio
from tempocli.embedding.track import unit
from tempocli.features.rhythm import rhythm_spectrum
from tempocli.features.spectrum import statistics
from tempocli.training.contrastive.probing import equal_pairs, neighbour_share, rate_share, tempo_pairs
from tempocli.training.contrastive.recipe import ContrastiveRecipe
from tempocli.training.contrastive.statistics import embed_pieces
from tempocli.training.data.sampling import Split
from tempocli.training.data.store import Clip, Store, open_store
from tempocli.training.kinds import load_run
from tempocli.training.recipe import find_recipe, read_recipe

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "locality.md"
FIRST, LAST = "<!-- table, by docs/make_locality.py -->", "<!-- end of table -->"
AUGMENTATIONS = {
    "none": "none",
    "eq": "gain, EQ, noise",
    "pitch": "pitch shift",
    "stretch": "time-stretch",
    "all": "all of them",
}
COLUMNS = (
    "tempo",
    "tempo, other styles",
    "tempo, same recording",
    "key",
    "genre",
    "instruments",
    "style",
    "package",
)
DRAWN = ("tempo", "tempo, same recording", "key", "genre")
_CLIPS = 800
_SECONDS = 40.0
_WINDOW = 1032  # frames

# From log-mel frames of a track to its vector.
Represent = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Measure all rows, and write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    options = parser.parse_args()
    collection = Collection(options.data)
    rows: dict[str, dict[str, float]] = {}
    for name, title in AUGMENTATIONS.items():
        recipe = read_recipe(find_recipe(f"locality-{name}"), ContrastiveRecipe)
        network = load_run(options.runs / recipe.name, recipe).eval()

        def embed(frames: np.ndarray, network=network, recipe=recipe) -> np.ndarray:
            return embed_pieces(network, iter(pieces(frames, recipe.network.n_frames))).mean(axis=0)

        rows[f"timbre, {title}"] = collection.measure(embed)
        rows[f"timbre, {title}"]["tempo, same recording"] = rate_share(
            network, collection.recordings, collection.held_out
        )
    spec = Embedder(device="cpu").spec
    rows["rhythm"] = collection.measure(
        lambda frames: np.mean(
            [unit(rhythm_spectrum(each, spec.front_end, spec.rhythm)) for each in pieces(frames, _WINDOW)],
            axis=0,
        )
    )
    rows["spectrum"] = collection.measure(
        lambda frames: (statistics(frames) - spec.spectrum_mean) / spec.spectrum_scale
    )
    rows["chroma"] = collection.chroma()
    rows["(chance)"] = collection.chance | {"tempo, same recording": 0.2}
    text = PAGE.read_text(encoding="utf-8")
    start, end = text.index(FIRST) + len(FIRST), text.index(LAST)
    PAGE.write_text(f"{text[:start]}\n\n{table(rows)}\n\n{text[end:]}", encoding="utf-8")
    draw(rows, DOCS / "locality.png")


class Collection:
    """Music with known properties, none of which the encoders were trained on."""

    def __init__(self, data: Path) -> None:
        composed = open_store(data / "music-synthetic")
        self._composed = [clip for clip in composed.clips if clip.bpm is not None][:_CLIPS]
        self._store = composed
        self.recordings = open_store(data / "music-debian")
        recipe = read_recipe(find_recipe("locality-none"), ContrastiveRecipe)
        self.held_out = Split(recipe.held_out).parts(self.recordings.clips)[1]
        self.chance: dict[str, float] = {}
        front_end = composed.front_end
        self._genre, self._tags = shared.genre(), shared.tags("km_instruments")
        self._key_paths, self._keys = shared.keys()
        paths = {*self._genre.paths, *self._tags.paths, *self._key_paths}
        self._samples = {path: load_audio(path, sample_rate=front_end.sample_rate) for path in sorted(paths)}
        self._log_mel = {path: front_end.log_mel(samples) for path, samples in self._samples.items()}

    def measure(self, represent: Represent) -> dict[str, float]:
        """Return the share of nearest neighbours with each property."""
        composed = np.stack([represent(_frames(self._store, clip)) for clip in self._composed])
        bpms = np.array([clip.bpm for clip in self._composed])
        style = equal_pairs([clip.style for clip in self._composed])
        tempo = tempo_pairs(bpms, folded=False)
        recordings = np.stack([represent(_frames(self.recordings, clip)) for clip in self.held_out])
        found = {
            "tempo": self._share("tempo", composed, tempo),
            "tempo, other styles": self._share("tempo, other styles", composed, tempo, ~style),
            "style": self._share("style", composed, style),
            "package": self._share(
                "package", recordings, equal_pairs([clip.group for clip in self.held_out])
            ),
        }
        return found | self._of_files({path: represent(frames) for path, frames in self._log_mel.items()})

    def chroma(self) -> dict[str, float]:
        """Return the shares for the part chroma, which needs the audio itself."""
        embedder = Embedder(device="cpu")
        rate = embedder.spec.front_end.sample_rate
        vectors = {
            path: embedder.embed_array(samples, rate).parts["chroma"]
            for path, samples in self._samples.items()
        }
        return self._of_files(vectors)

    def _of_files(self, vectors: dict[Path, np.ndarray]) -> dict[str, float]:
        targets = self._tags.targets.astype(float)
        shared_tags = targets @ targets.T
        either = targets.sum(axis=1)[:, None] + targets.sum(axis=1)[None] - shared_tags
        alike = shared_tags / np.maximum(either, 1.0)
        names = [str(key) for key in self._keys]
        return {
            "genre": self._share(
                "genre",
                np.stack([vectors[path] for path in self._genre.paths]),
                equal_pairs([str(each) for each in self._genre.targets]),
            ),
            "key": self._share(
                "key", np.stack([vectors[path] for path in self._key_paths]), equal_pairs(names)
            ),
            "instruments": self._share(
                "instruments", np.stack([vectors[path] for path in self._tags.paths]), alike
            ),
        }

    def _share(
        self, name: str, vectors: np.ndarray, alike: np.ndarray, allowed: np.ndarray | None = None
    ) -> float:
        centred = (vectors - vectors.mean(axis=0)).astype(np.float32)
        found, chance = neighbour_share(centred, alike, allowed)
        self.chance[name] = chance
        return found


def pieces(frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Cut frames into pieces, shape=(n_pieces, n_frames, n_mels); what is left over at the end is dropped."""
    number = max(1, len(frames) // n_frames)
    return np.resize(np.asarray(frames, np.float32), (number, n_frames, frames.shape[1]))


def _frames(store: Store, clip: Clip) -> np.ndarray:
    longest = int(_SECONDS * store.front_end.frame_rate)
    return np.asarray(store.frames_of(clip)[:longest], np.float32)


def table(rows: dict[str, dict[str, float]]) -> str:
    """Write a Markdown table, in percent."""
    lines = ["| vectors | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, shares in rows.items():
        cells = [f"{100 * shares[key]:.1f}" if key in shares else "" for key in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(rows: dict[str, dict[str, float]], path: Path) -> None:
    """Draw the shares of some columns against the augmentation, as multiples of chance."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    titles = [name for name in rows if name.startswith("timbre")]
    for offset, key in enumerate(DRAWN):
        heights = [rows[name][key] / rows["(chance)"][key] for name in titles]
        axes.bar([place + 0.2 * (offset - 1.5) for place in range(len(titles))], heights, 0.2, label=key)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(titles)), [name.removeprefix("timbre, ") for name in titles])
    axes.set_ylabel("share of neighbours / chance")
    figure.legend(ncols=len(DRAWN), frameon=False, loc="outside lower center")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
