"""Construction of a contrastive encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.training.contrastive.network import ContrastiveNetwork
from tempocli.training.contrastive.spectrogram import SpectrogramNetwork

if TYPE_CHECKING:
    from tempocli.training.contrastive.network import ContrastiveConfig

_BACKBONES: dict[str, type[ContrastiveNetwork | SpectrogramNetwork]] = {
    "time": ContrastiveNetwork,
    "spectrogram": SpectrogramNetwork,
}


def build_encoder(config: ContrastiveConfig) -> ContrastiveNetwork | SpectrogramNetwork:
    """Build an encoder with initial weights.

    Raises
    ------
    DataError
        If there is no such backbone.
    """
    if config.backbone not in _BACKBONES:
        raise DataError(f"backbone {config.backbone!r} is none of {', '.join(_BACKBONES)}")
    return _BACKBONES[config.backbone](config)
