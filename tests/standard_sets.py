"""Small trees laid out like the standard sets, with an index like those that mirdata downloads."""

from __future__ import annotations

import importlib
import json
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Files = dict[str, str]


def jams(*tempi: tuple[float, float]) -> str:
    data = [{"time": 0.0, "duration": 120.0, "value": bpm, "confidence": weight} for bpm, weight in tempi]
    return json.dumps({"annotations": [{"namespace": "tempo", "data": data}]})


def _tempo_files(folder: str, audio: str, tempi: dict[str, str]) -> tuple[dict[str, Files], Files]:
    tracks = {
        name: {
            "audio": f"{folder}/audio/{audio}{name}.wav",
            "beats": f"{folder}/annotations/beats/{name}.beats",
            "tempo": f"{folder}/annotations/tempo/{name}.bpm",
        }
        for name in tempi
    }
    return tracks, {f"{folder}/annotations/tempo/{name}.bpm": text for name, text in tempi.items()}


def _giantsteps() -> tuple[dict[str, Files], Files]:
    root = "giantsteps-tempo-dataset-0b7d47ba8cae59d3535a02e3db69e2cf6d0af5bb"
    tracks = {
        name: {
            "audio": f"audio/{name}.LOFI.mp3",
            "annotation_v1": f"{root}/annotations/jams/{name}.LOFI.jams",
            "annotation_v2": f"{root}/annotations_v2/jams/{name}.LOFI.jams",
        }
        for name in ("1", "2", "3", "4")
    }
    second = {
        "1": jams((70.0, 0.25), (140.0, 0.75)),
        "2": jams((128.0, 1.0)),
        "3": jams(),
        "4": json.dumps({"annotations": []}),
    }
    files = {tracks[name]["annotation_v2"]: text for name, text in second.items()}
    return tracks, files | {each["annotation_v1"]: jams((99.0, 1.0)) for each in tracks.values()}


def _gtzan() -> tuple[dict[str, Files], Files]:
    names = ("blues.00000", "hiphop.00001")
    tracks = {
        name: {
            "audio": f"gtzan_genre/genres/{name.split('.')[0]}/{name}.wav",
            "beats": f"gtzan_tempo_beat-main/beats/gtzan_{name.replace('.', '_')}.beats",
            "tempo": f"gtzan_tempo_beat-main/tempo/gtzan_{name.replace('.', '_')}.bpm",
        }
        for name in names
    }
    return tracks, {tracks[names[0]]["tempo"]: "126.0\n", tracks[names[1]]["tempo"]: "94.5\n"}


def _groove() -> tuple[dict[str, Files], Files]:
    tracks = {
        f"drummer1/session1/{n}": {
            "midi": f"drummer1/session1/{n}_rock_{bpm}_beat_4-4.mid",
            "audio": f"drummer1/session1/{n}_rock_{bpm}_beat_4-4.wav",
        }
        for n, bpm in ((1, 120), (2, 95))
    }
    header = (
        "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split"
    )
    rows = [
        f"drummer1,drummer1/session1,{name},rock,{bpm},{kind},4-4,{each['midi']},{each['audio']},20.0,train"
        for (name, each), bpm, kind in zip(tracks.items(), (120, 95), ("beat", "fill"), strict=True)
    ]
    return tracks, {"info.csv": "\n".join([header, *rows]) + "\n"}


def _guitarset() -> tuple[dict[str, Files], Files]:
    name = "00_Rock1-130-A_comp"
    parts = ("audio_hex_cln", "audio_hex", "audio_mix", "jams")
    track = {part: f"{part}/{name}.x" for part in parts} | {"audio_mic": f"audio_mono-mic/{name}_mic.wav"}
    return {name: track}, {}


def _rwc() -> tuple[dict[str, Files], Files]:
    tracks = {
        f"RM-P00{n}": {
            part: f"annotations/{part}/{n}.txt" for part in ("sections", "beats", "chords", "voca_inst")
        }
        | {"audio": f"audio/rwc-p-m01/{n}.wav"}
        for n in (1, 2)
    }
    header = "Piece No.,Cat. Suffix,Track No.,Title,Artist,Singer,Length,Tempo,Instruments,Drum"
    rows = [
        f"No. {n},M01,Tr. 0{n},Song,Somebody,Male,3:2{n},{tempo},Pf,Drum sequences"
        for n, tempo in ((1, "135"), (2, "free"))
    ]
    return tracks, {"metadata-master/rwc-p.csv": "\n".join([header, *rows]) + "\n"}


def _beatles() -> tuple[dict[str, Files], Files]:
    parts = {"beat": "beat/a.txt", "chords": "chord/a.lab", "keys": "key/a.lab", "sections": "seg/a.lab"}
    track = {part: f"annotations/{path}" for part, path in parts.items()} | {"audio": "audio/a.wav"}
    lines = [f"{0.5 * k + 0.3:.3f}\t{k % 4 + 1}" for k in range(20)]
    return {"a": track}, {"annotations/beat/a.txt": "\n".join(lines) + "\n"}


def _candombe() -> tuple[dict[str, Files], Files]:
    tracks = {
        name: {"audio": f"candombe_audio/{name}.flac", "beats": f"candombe_annotations/{name}.csv"}
        for name in ("a", "short")
    }
    # Twenty even beats, and one that is late: the median is not moved.
    times = [0.45 * k + (0.2 if k == 10 else 0.0) for k in range(21)]
    text = "".join(f"{time:.3f},{1 + k // 4}.{1 + k % 4}\n" for k, time in enumerate(times))
    return tracks, {tracks["a"]["beats"]: text, tracks["short"]["beats"]: "0.0,1.1\n0.5,1.2\n"}


SETS = {
    "ballroom": lambda: _tempo_files(
        "B_1.0", "BallroomData/Tango/", {"Albums-1": "128.0\n", "Albums-2": "90\n"}
    ),
    "beatles": _beatles,
    "brid": lambda: _tempo_files("BRID_1.0", "", {"0001": "110\n"}),
    "candombe": _candombe,
    "cuidado": lambda: _tempo_files("C_1.0", "", {"0001": "99.5\n", "0002": "0\n"}),
    "giantsteps_tempo": _giantsteps,
    "groove_midi": _groove,
    "gtzan_genre": _gtzan,
    "guitarset": _guitarset,
    "hainsworth": lambda: _tempo_files("H_1.0", "", {"001": "76.0\n"}),
    "rwc_popular": _rwc,
}


def make_set(name: str, home: Path, *, index: bool = True, audio: bool = True) -> dict[str, Any]:
    """Write the tree of a set; return its tracks, each with its files."""
    tracks, files = SETS[name]()
    for each in tracks.values():
        for path in each.values() if audio else ():
            if path.endswith((".wav", ".mp3", ".flac")):
                files.setdefault(path, "")
    for path, text in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    if index:
        listed = {
            id_: {part: [path, "0" * 32] for part, path in each.items()} for id_, each in tracks.items()
        }
        (home / index_name(name)).write_text(json.dumps({"version": "1.0", "tracks": listed}))
    return tracks


def index_name(name: str) -> str:
    """Return the file name of the index of mirdata's default version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        indexes = importlib.import_module(f"mirdata.datasets.{name}").INDEXES
    return str(indexes[indexes["default"]].filename)
