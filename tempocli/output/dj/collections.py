"""Collections that DJ software imports: rekordbox XML, Traktor NML, and M3U8 playlists.

The XML of rekordbox follows the list of elements that its maker publishes ("rekordbox xml format list"). The
NML follows collections that Traktor Pro 3 writes; there is no public description.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree

from tempocli import __version__
from tempocli.errors import OutputError
from tempocli.output.formats.layout import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tempocli.output.dj.tracks import DjTrack

_NML_VERSION = "19"
_GRID_MARKER = "4"  # type of a cue in NML
_CUE = "0"  # type of a cue, in both
_MEMORY_CUE = "-1"  # in place of the number of a hot cue, which is the user's


def rekordbox_xml(tracks: Sequence[DjTrack], *, name: str) -> bytes:
    """Return a collection for rekordbox with one playlist.

    Parameters
    ----------
    tracks : sequence of DjTrack
    name : str
        Name of the playlist.
    """
    root = ElementTree.Element("DJ_PLAYLISTS", Version="1.0.0")
    ElementTree.SubElement(root, "PRODUCT", Name="tempo", Version=__version__, Company="")
    collection = ElementTree.SubElement(root, "COLLECTION", Entries=str(len(tracks)))
    for number, track in enumerate(tracks, 1):
        entry = ElementTree.SubElement(
            collection,
            "TRACK",
            TrackID=str(number),
            Name=printable(track.name),
            TotalTime=str(round(track.duration)),
            AverageBpm=f"{track.bpm:.2f}",
            Location=_location(track.path),
        )
        for section, time, position in track.first_beats():
            ElementTree.SubElement(
                entry,
                "TEMPO",
                Inizio=f"{time:.3f}",
                Bpm=f"{section.bpm:.2f}",
                Metro=f"{track.metre}/4",
                Battito=str(position),
            )
        for cue in track.cues:
            ElementTree.SubElement(
                entry,
                "POSITION_MARK",
                Name=printable(cue.name),
                Type=_CUE,
                Start=f"{cue.time:.3f}",
                Num=_MEMORY_CUE,
            )
    playlists = ElementTree.SubElement(root, "PLAYLISTS")
    folder = ElementTree.SubElement(playlists, "NODE", Type="0", Name="ROOT", Count="1")
    node = ElementTree.SubElement(
        folder, "NODE", Name=printable(name), Type="1", KeyType="0", Entries=str(len(tracks))
    )
    for number in range(1, len(tracks) + 1):
        ElementTree.SubElement(node, "TRACK", Key=str(number))
    return _document(root)


def traktor_nml(tracks: Sequence[DjTrack], *, name: str) -> bytes:
    """Return a collection for Traktor; parameters as in `rekordbox_xml`.

    Raises
    ------
    OutputError
        If a path has characters that XML cannot have.
    """
    root = ElementTree.Element("NML", VERSION=_NML_VERSION)
    ElementTree.SubElement(root, "HEAD", COMPANY="www.native-instruments.com", PROGRAM="Traktor")
    ElementTree.SubElement(root, "MUSICFOLDERS")
    collection = ElementTree.SubElement(root, "COLLECTION", ENTRIES=str(len(tracks)))
    keys = []
    for track in tracks:
        volume, folder, file = _traktor_path(track.path)
        keys.append(volume + folder + file)
        entry = ElementTree.SubElement(collection, "ENTRY", TITLE=printable(track.name))
        ElementTree.SubElement(entry, "LOCATION", DIR=folder, FILE=file, VOLUME=volume, VOLUMEID=volume)
        ElementTree.SubElement(
            entry, "INFO", PLAYTIME=str(round(track.duration)), PLAYTIME_FLOAT=f"{track.duration:.6f}"
        )
        ElementTree.SubElement(entry, "TEMPO", BPM=f"{track.bpm:.6f}", BPM_QUALITY="100.000000")
        for section in track.grid:
            # A marker is a downbeat.
            cue = ElementTree.SubElement(
                entry,
                "CUE_V2",
                NAME="AutoGrid",
                DISPL_ORDER="0",
                TYPE=_GRID_MARKER,
                START=f"{1000.0 * max(0.0, section.anchor):.6f}",
                LEN="0.000000",
                REPEATS="-1",
                HOTCUE="-1",
            )
            ElementTree.SubElement(cue, "GRID", BPM=f"{section.bpm:.6f}")
        for number, point in enumerate(track.cues, 1):
            ElementTree.SubElement(
                entry,
                "CUE_V2",
                NAME=printable(point.name),
                DISPL_ORDER=str(number),
                TYPE=_CUE,
                START=f"{1000.0 * point.time:.6f}",
                LEN="0.000000",
                REPEATS="-1",
                HOTCUE="-1",
            )
    sets = ElementTree.SubElement(root, "PLAYLISTS")
    folder_node = ElementTree.SubElement(sets, "NODE", TYPE="FOLDER", NAME="$ROOT")
    nodes = ElementTree.SubElement(folder_node, "SUBNODES", COUNT="1")
    node = ElementTree.SubElement(nodes, "NODE", TYPE="PLAYLIST", NAME=printable(name))
    playlist = ElementTree.SubElement(node, "PLAYLIST", ENTRIES=str(len(keys)), TYPE="LIST", UUID="0" * 32)
    for key in keys:
        entry = ElementTree.SubElement(playlist, "ENTRY")
        ElementTree.SubElement(entry, "PRIMARYKEY", TYPE="TRACK", KEY=key)
    return _document(root)


def m3u(tracks: Sequence[DjTrack], *, name: str) -> bytes:
    """Return an M3U8 playlist, with the tempo of each track in a comment; parameters as in `rekordbox_xml`.

    Raises
    ------
    OutputError
        If a path has a line break, which would be two lines of the playlist.
    """
    lines = ["#EXTM3U", f"#PLAYLIST:{printable(name)}"]
    for track in tracks:
        if "\n" in track.path or "\r" in track.path:
            raise OutputError(f"{printable(track.path)}: has a line break, which a playlist cannot hold")
        lines += [
            f"#EXTINF:{round(track.duration)},{printable(track.name)}",
            f"#BPM:{track.bpm:.2f}",
            track.path,
        ]
    return os.fsencode("\n".join(lines) + "\n")


COLLECTIONS: dict[str, Callable[..., bytes]] = {
    "rekordbox-xml": rekordbox_xml,
    "traktor-nml": traktor_nml,
    "m3u": m3u,
}


def _location(path: str) -> str:
    """Return a path as a URL, as rekordbox has it."""
    drive = len(path) > 1 and path[1] == ":"
    raw = os.fsencode(path.replace("\\", "/") if drive else path)
    return "file://localhost/" + quote(raw.lstrip(b"/"), safe="/:" if drive else "/")


def _traktor_path(path: str) -> tuple[str, str, str]:
    """Return volume, folder and file as Traktor writes them."""
    if not path.isprintable():
        raise OutputError(f"{printable(path)}: has characters that XML cannot hold")
    drive, rest = (path[:2], path[2:].replace("\\", "/")) if path[1:2] == ":" else ("", path)
    # A colon in a name is doubled, since it ends a folder.
    *folders, file = [each.replace(":", "::") for each in rest.strip("/").split("/")]
    return drive, "".join(f"/:{folder}" for folder in folders) + "/:", file


def _document(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root, " ")
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"
