"""Attributes of ASF: WMA and WMV."""

from __future__ import annotations

from tempocli.audio.tags.family import Tags


class AsfTags(Tags):
    """Attributes; the name of the tempo is that of Windows Media."""

    tempo_key = "WM/BeatsPerMinute"
