"""A profile: a prior over tempi for one person, as a small JSON file that belongs to one model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import DataError, ModelError
from tempocli.features.ranges import brief, number, whole, word
from tempocli.inference.spec import MAX_EMBEDDING

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.inference.spec import ModelSpec

# 2 has a curve; a file without one is the same as of format 1.
FORMAT, FORMATS = 2, (1, 2)
MAX_BYTES = 1_000_000
MAX_EXPONENT = 4.0  # 16 times the weight for twice the tempo
MAX_CURVE = 20.0  # powers of two
# A knot of the curve every quarter of an octave, over all tempi.
CURVE_BPMS = 30.0 * 2.0 ** (np.arange(15) / 4.0)
_MAX_SENTENCES = 20
_CENTRE = 100.0  # BPM; any other one would only scale the weights
_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True)
class ProfileModel:
    """The model that a profile was learned with.

    Attributes
    ----------
    name, version : str
        As of `tempocli.inference.spec.ModelSpec`.
    sha256 : tuple of (str, str)
        Names and SHA-256 of its files.
    references : tuple of str
        Names of the references that it compares with.
    """

    name: str
    version: str
    sha256: tuple[tuple[str, str], ...]
    references: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: ModelSpec) -> ProfileModel:
        """Return the model of a description."""
        files = tuple((each.name, each.checksum) for each in spec.parts)
        references = tuple(each.references for each in spec.parts if each.references)
        return cls(spec.name, spec.version, files, references)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one person counts, learned from corrected tempi.

    The tempo distribution of a track is multiplied by a power of the tempo. Its exponent depends on the
    style of the track: it is `exponent` plus the product of `style` and the track's embedding, less
    `style_centre`. With an exponent of 1, a tempo counts twice as much against its half as it does without
    a profile; with 0, nothing changes. If there is a `curve`, the distribution is multiplied by that, too.

    Attributes
    ----------
    model : ProfileModel
        The model it was learned with; other models have other distributions and embeddings.
    exponent : float
        For a track like the average of those it was learned from.
    style : tuple of float
        Length of the model's embedding; empty if the style makes no difference.
    style_centre : float
        Product of `style` and the average of the embeddings it was learned from.
    n_tracks, n_wrong : int
        Number of tracks it was learned from, and of those that had a wrong tempo.
    words : tuple of str
        What was learned, in sentences.
    curve : tuple of float
        Logarithms to the base 2 of weights of the tempi 30, 35.7, 42.4 ... BPM, a quarter of an octave apart;
        straight lines between them. Empty if there is none.
    """

    model: ProfileModel
    exponent: float = 0.0
    style: tuple[float, ...] = ()
    style_centre: float = 0.0
    n_tracks: int = 0
    n_wrong: int = 0
    words: tuple[str, ...] = ()
    curve: tuple[float, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether estimates are the same as without the profile."""
        return self.exponent == 0.0 and not any(self.style) and not any(self.curve)

    @property
    def digest(self) -> str:
        """First digits of a SHA-256 of all that estimates depend on; also part of their model version."""
        facts = [
            self.model.name,
            self.model.version,
            self.model.sha256,
            self.model.references,
            self.exponent,
            self.style,
            self.style_centre,
            *([self.curve] if self.curve else []),
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:_SHOWN_DIGITS]

    def exponent_of(self, embedding: NDArray[np.float32]) -> float:
        """Return the exponent for a track, from the mean of its windows' embeddings, shape=(dim,)."""
        exponent = self.exponent
        if self.style:
            exponent += float(np.dot(self.style, unit(embedding))) - self.style_centre
        return min(max(exponent, -MAX_EXPONENT), MAX_EXPONENT)

    def weights(self, bpms: NDArray[np.float64], embedding: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the weights of tempi for a track.

        Parameters
        ----------
        bpms : ndarray of float64, shape=(n_bins,)
            Tempi in BPM.
        embedding : ndarray of float32, shape=(embedding_dim,)
            Mean of the embeddings of the track's windows.

        Returns
        -------
        ndarray of float64, shape=(n_bins,)
            Up to a constant factor.
        """
        weights = (bpms / _CENTRE) ** self.exponent_of(embedding)
        return np.asarray(weights * 2.0 ** (curve_basis(bpms) @ self.curve) if self.curve else weights)

    def check(self, spec: ModelSpec) -> None:
        """Raise ModelError if it was learned with another model."""
        ours, theirs = self.model, ProfileModel.of(spec)
        if ours == theirs and len(self.style) in {0, spec.embedding_dim}:
            return
        names = [f"{each.name} {each.version}" for each in (ours, theirs)]
        if names[0] == names[1]:
            names = ["other files or references", "these"]
        raise ModelError(
            f"the profile was learned with the model {names[0]}, not with {names[1]}: learn it again"
        )

    def to_json(self) -> str:
        """Return the text of a profile file."""
        document = {
            "tempo_profile": FORMAT if self.curve else 1,
            "words": list(self.words),
            "tracks": self.n_tracks,
            "wrong_tracks": self.n_wrong,
            "model": {
                "name": self.model.name,
                "version": self.model.version,
                "sha256": dict(self.model.sha256),
                "references": list(self.model.references),
            },
            "exponent": self.exponent,
            "style_centre": self.style_centre,
        }
        text = json.dumps(document, indent=2, ensure_ascii=False)
        # Lists of numbers on one line, so that the rest can be read.
        lists = [f'  "style": {json.dumps(list(self.style))}']
        if self.curve:
            pairs = [[round(float(bpm), 1), each] for bpm, each in zip(CURVE_BPMS, self.curve, strict=True)]
            lists.append(f'  "curve": {json.dumps(pairs)}')
        return ",\n".join([text[:-2], *lists]) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read the text of a profile file.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError, RecursionError
            If it is no such text.
        """
        values = json.loads(text)
        if values["tempo_profile"] not in FORMATS:
            known = " or ".join(map(str, FORMATS))
            raise ValueError(f"its format is {str(values['tempo_profile'])[:20]!r}, not {known}")
        model = values["model"]
        words, style, references = (
            _list(each, name, most)
            for each, name, most in (
                (values["words"], "words", _MAX_SENTENCES),
                (values["style"], "style", MAX_EMBEDDING),
                (model["references"], "references", 8),
            )
        )
        return cls(
            ProfileModel(
                word(model["name"], "name"),
                word(model["version"], "version"),
                tuple((word(name, "name"), word(each, "sha256")) for name, each in model["sha256"].items()),
                tuple(word(each, "references") for each in references),
            ),
            number(values["exponent"], "exponent", -MAX_EXPONENT, MAX_EXPONENT),
            tuple(number(each, "style", -1000.0, 1000.0) for each in style),
            number(values["style_centre"], "style_centre", -1e6, 1e6),
            whole(values["tracks"], "tracks", 0, 10**9),
            whole(values["wrong_tracks"], "wrong_tracks", 0, 10**9),
            tuple(str(each)[:300] for each in words),
            _curve(values["curve"]) if values["tempo_profile"] == FORMAT else (),
        )

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile file.

        Raises
        ------
        DataError
            If it cannot be read, or is no profile.
        """
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise ValueError("it is too large")
            return cls.from_json(data.decode("utf-8"))
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from error
        except KeyError as error:
            raise DataError(f"{path}: not a profile of tempo: it has no {error}") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{path}: not a profile of tempo: {brief(error)}") from error

    def save(self, path: str | Path) -> None:
        """Write a profile file atomically.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        from tempocli.system.atomic_files import atomic_file

        with atomic_file(str(path)) as file:
            file.write(self.to_json().encode("utf-8"))


def unit(embedding: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale an embedding, shape=(dim,), to unit length; zeros stay zeros."""
    length = float(np.linalg.norm(embedding))
    return np.asarray(embedding / length if length > 1e-12 else embedding, np.float64)


def curve_basis(bpms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of each knot of a curve in each tempo, shape=(n_bins, n_knots)."""
    places, knots = np.log2(bpms), np.log2(CURVE_BPMS)
    return np.stack([np.interp(places, knots, each) for each in np.eye(len(knots))], axis=1)


def _curve(value: Any) -> tuple[float, ...]:
    pairs = _list(value, "curve", len(CURVE_BPMS))
    tempi = [number(bpm, "curve", 1.0, 1000.0) for bpm, _ in pairs]
    if len(pairs) != len(CURVE_BPMS) or not np.allclose(tempi, CURVE_BPMS, atol=0.06):
        raise ValueError(f"curve is not of the tempi {CURVE_BPMS[0]:.0f} to {CURVE_BPMS[-1]:.0f}")
    return tuple(number(each, "curve", -MAX_CURVE, MAX_CURVE) for _, each in pairs)


def _list(value: Any, name: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{name} is not a list of at most {most}")
    return value
