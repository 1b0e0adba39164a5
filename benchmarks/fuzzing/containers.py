"""The containers that `tempo` reads: how to find the parts of each."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from fuzzing.layout import Field, Grammar, Part, chunks, frames, named_fields

if TYPE_CHECKING:
    from collections.abc import Callable

_FMT = "tag:2 channels:2 rate:4 bytes_a_second:4 align:2 bits:2 extra_size:2 +"
_RIFF = Grammar(
    little=True,
    align=2,
    nested={b"RIFF": 4, b"RIFX": 4, b"RF64": 4, b"LIST": 4},
    fields={
        b"RIFF": "kind:4",
        b"RIFX": "kind:4",
        b"RF64": "kind:4",
        b"LIST": "kind:4",
        b"fmt ": _FMT,
        b"ds64": "riff_size:8 data_size:8 samples:8 table:4",
        b"strh": "type:4 codec:4 flags:4 _:8 scale:4 stream_rate_above:4 start:4 length:4 buffer:4",
        b"strf": _FMT,
    },
)
# The rate of an AIFF is a float of 80 bits.
_AIFF_RATE = "rate_exponent:2 rate_mantissa:8"
_IFF = Grammar(
    align=2,
    nested={b"FORM": 4},
    fields={
        b"FORM": "kind:4",
        b"COMM": f"channels:2 samples:4 bits:2 {_AIFF_RATE} codec:4 +",
        b"SSND": "offset:4 block:4",
        b"VHDR": "once:4 repeated:4 cycle:4 rate:2 octaves:1 codec:1 volume:4",
    },
)
_CAF = Grammar(
    size_size=8,
    first=8,
    opening="magic:4 version:2 flags:2",
    fields={
        b"desc": "rate:8 codec:4 flags:4 packet_bytes:4 packet_samples:4 channels:4 bits:4",
        b"kuki": "size1:4 id1:4 codec:4 size2:4 id2:4 version:4 block:4 compatible:1 bits:1 _:3 channels:1 "
        "run:2 most:4 usual:4 rate:4",
        b"pakt": "packets:8 samples:8 priming:4 remainder:4 +",
    },
)
_W64_FMT = b"fmt \xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"
_W64 = Grammar(
    id_size=16,
    size_size=8,
    little=True,
    counts_header=True,
    align=8,
    nested={b"riff.\x91\xcf\x11\xa5\xd6(\xdb\x04\xc1\x00\x00": 16},
    fields={_W64_FMT: _FMT},
)
_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF = Grammar(
    id_size=16,
    size_size=8,
    little=True,
    counts_header=True,
    nested={bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"): 6},
    fields={_ASF_STREAM: f"_:16 _:16 offset:8 config:4 errors:4 flags:2 _:4 {_FMT}"},
)
_MP4_SOUND = "_:6 reference:2 version:2 revision:2 _:4 channels:2 bits:2 codec:2 packet:2 rate:4"
_MP4 = Grammar(
    size_first=True,
    counts_header=True,
    nested=dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex"), 0)
    | {b"stsd": 8, b"mp4a": 28, b"alac": 28, b"sowt": 28, b"fLaC": 28, b"Opus": 28, b"wave": 0},
    fields={
        **dict.fromkeys((b"mp4a", b"alac", b"sowt", b"fLaC", b"Opus"), _MP4_SOUND),
        b"stsd": "version:4 entries:4",
        b"mdhd": "version:4 made:4 changed:4 scale:4 length:4 language:2",
        b"mvhd": "version:4 made:4 changed:4 scale:4 length:4",
        b"stsz": "version:4 size_of_all:4 entries:4 first:4 second:4",
        b"stco": "version:4 entries:4 first:4 second:4",
        b"stts": "version:4 entries:4 count:4 delta:4",
        b"stsc": "version:4 entries:4 first:4 samples:4 description:4",
        b"esds": "version:4 tag:1 _:4 id:2 flags:1 decoder_tag:1 _:4 kind:1 stream:1 buffer:3 most:4 usual:4 "
        "config_tag:1 _:4 profile.5 rate.4 channels.4",
        b"mdat": "_:0",
    },
)
_VOC = Grammar(
    id_size=1, size_size=3, little=True, first=26, opening="magic:4 _:15 eof:1 header:2 version:2 check:2"
)
_VOC_FIELDS = {b"\x01": "rate_divisor:1 codec:1", b"\x09": "rate:4 bits:1 channels:1 codec:2 _:4"}
_FLAC_STREAMINFO = "shortest:2 longest:2 least:3 most:3 rate.20 channels.3 bits.5 samples.36 md5:4"
_FLV = Grammar(
    id_size=1, size_size=3, extra=11, first=13, opening="magic:3 version:1 kinds:1 header:4 before:4"
)
_FLV_FIELDS = {b"\x08": "time:3 time_above:1 stream:3 codec.4 rate.2 bits.1 channels.1 kind:1"}
_WAVPACK = Grammar(
    little=True,
    fields={
        b"wvpk": "version:2 track:1 index:1 samples:4 place:4 block_samples:4 flags:2 flags_c:1 flags_d.5 "
        "rate.3 crc:4 sub_id:1 sub_size:1"
    },
)
_MPEG = (
    "_.11 version_rate.2 layer.2 unprotected.1 bits.4 rate.2 padded.1 private.1 mode.2 extension.2 _.4 side:2"
)
_ADTS = (
    "_.12 id.1 layer.2 unprotected.1 profile.2 rate.4 private.1 channels.3 _.4 length.13 fullness.11 blocks.2"
)
_AC3 = "_.16 crc.16 rate.2 size.6 id.5 mode.3 channels.3 mix.5"
_TS = "_.8 error.1 start.1 priority.1 stream.13 scrambled.2 adaptation.2 counter.4 adaptation_size:1 w:4"
_FLAC_FRAME = "_.15 blocking.1 block.4 frame_rate.4 channels.4 bits.3 _.1 number:1 crc:1"
_AU = "magic:4 offset:4 size:4 codec:4 rate:4 channels:4"
_TTA = "magic:4 format:2 channels:2 bits:2 rate:4 samples:4 crc:4 seek1:4 seek2:4"
_IRCAM = "magic:4 rate:4 channels:4 codec:4 +"
_HTK = "samples:4 rate_period:4 bytes:2 kind:2"
_AVR = "magic:4 name:4 _:4 channels:2 bits:2 signed:2 loop:2 key:2 rate:4 samples:4 loop_start:4 loop_end:4"
_PAF = "magic:4 version:4 order:4 rate:4 codec:4 channels:4 source:4"
_MPC2K = (
    "magic:2 name:4 _:13 level:1 tune:1 channels:1 start:4 loop_end:4 samples:4 loop:4 loops:1 beats:1 rate:2"
)
# By chance, bytes within a frame look like the beginning of one.
_FEW = 0.1
_HOLLOW = {
    "amr": "magic:4 magic2:2 toc:1 w:4",
    "ape": "magic:4 version:2 _:2 descriptor:4 header:4 seek:4 wav:4 audio:4 audio_above:4 tail:4 md5:4 "
    "md5b:4 md5c:4 md5d:4 level:2 flags:2 blocks:4 last_blocks:4 frames:4 bits:2 channels:2 rate:4 "
    "seek1:4 seek2:4",
    "mpc": "magic:3 version:1 frames:4 flags:2 profile.6 link.2 _.6 rate.2 gain:8 +",
    "mpc8": "magic:4 id:2 size:1 crc:4 version:1 samples:2 silence:1 rate.3 bands.5 channels.4 ms.1 _.3 +",
}


def find_parts(data: bytes, container: str) -> list[Part]:
    """List the parts of a file, in the order of their starts.

    Parameters
    ----------
    data : bytes
        The file.
    container : str
        One of `CONTAINERS`.
    """
    return sorted(CONTAINERS[container](data), key=lambda part: (part.start, -part.end))


def rates(data: bytes, container: str) -> set[tuple[str, int]]:
    """Read what the file says about its sample rate; what few of many frames say does not count."""
    said = Counter(
        (field.name, field.read(data))
        for part in find_parts(data, container)
        for field in part.fields
        if "rate" in field.name
    )
    by_name: Counter[str] = Counter()
    for (name, _), number in said.items():
        by_name[name] += number
    return {(name, value) for (name, value), number in said.items() if number > _FEW * by_name[name]}


def seal(data: bytes, container: str, place: int) -> bytes:
    """Make the checksum right again of what holds byte `place`, where a wrong one would hide a lie."""
    if container == "tta" and len(data) >= 22 and place < 18:
        return data[:18] + zlib.crc32(data[:18]).to_bytes(4, "little") + data[22:]
    start = data.rfind(b"OggS", 0, place + 4)
    if container != "ogg" or start < 0 or start + 27 > len(data) or start + 22 <= place < start + 26:
        return data
    end = _page_end(data, start)
    page = data[start : start + 22] + bytes(4) + data[start + 26 : end]
    return data[: start + 22] + _ogg_checksum(page).to_bytes(4, "little") + data[start + 26 :]


def _page_end(data: bytes, start: int) -> int:
    table = data[start + 27 : start + 27 + data[start + 26]]
    return start + 27 + len(table) + sum(table)


def _checksum_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


_TABLE = _checksum_table()


def _ogg_checksum(page: bytes) -> int:
    checksum = 0
    for byte in page:
        checksum = checksum << 8 & 0xFFFFFFFF ^ _TABLE[checksum >> 24 ^ byte]
    return checksum


_OGG_HEADS = {
    b"\x01vorbis": "_:7 version:4 channels:1 rate:4 most:4 usual:4 least:4 blocks:1 framing:1",
    b"OpusHead": "_:8 version:1 channels:1 skipped:2 rate:4 gain:2 mapping:1",
    b"Speex   ": "_:28 version:4 header:4 rate:4 mode:4 bits:4 channels:4 speed:4 frame:4 vbr:4 frames:4",
}
_OGG_FLAC = f"_:1 magic:4 major:1 minor:1 headers:2 _:4 type:1 block_size:3 {_FLAC_STREAMINFO}"


def _ogg(data: bytes) -> list[Part]:
    found = []
    place = data.find(b"OggS")
    while place >= 0 and place + 27 <= len(data):
        end = min(len(data), _page_end(data, place))
        body = min(end, place + 27 + data[place + 26])
        spec = "magic:4 version:1 flags:1 position:8 serial:4 sequence:4 crc:4 segments:1 segment1:1"
        fields = named_fields("page", spec, place, body, little=True)
        for magic, head in _OGG_HEADS.items():
            if data.startswith(magic, body):
                fields += named_fields("head", head, body, end, little=True)
        if data.startswith(b"\x7fFLAC", body):
            fields += named_fields("head", _OGG_FLAC, body, end, little=False)
        elif data[body + 1 : body + 7] == b"vorbis" or data.startswith(b"OpusTags", body):
            fields += named_fields("more", "_:8 w1:4 w2:4 w3:4", body, end, little=True)
        found.append(Part("page", place, body, end, tuple(fields)))
        place = data.find(b"OggS", max(end, place + 4))
    return found


_EBML_NESTED = {
    0x1A45DFA3: "EBML",
    0x18538067: "Segment",
    0x114D9B74: "SeekHead",
    0x4DBB: "Seek",
    0x1549A966: "Info",
    0x1654AE6B: "Tracks",
    0xAE: "TrackEntry",
    0xE1: "Audio",
    0xE0: "Video",
    0x1F43B675: "Cluster",
    0x1C53BB6B: "Cues",
    0xA0: "BlockGroup",
}
_EBML_RATES = {0xB5: "rate", 0x78B5: "rate_of_output"}
_MOST_VALUE = 8


def _ebml(data: bytes, place: int = 0, end: int | None = None, depth: int = 0) -> list[Part]:
    end = len(data) if end is None else end
    found: list[Part] = []
    while place < end and depth < 12:
        id_size = 9 - data[place].bit_length()
        if id_size > 4 or place + id_size >= end or not data[place + id_size]:
            break
        identity = int.from_bytes(data[place : place + id_size], "big")
        size_at = place + id_size
        size_size = 9 - data[size_at].bit_length()
        size_bits = 7 * size_size
        size_field = Field("size", 8 * size_at + size_size, size_bits)
        body, size = size_at + size_size, size_field.read(data)
        stop = end if size == (1 << size_bits) - 1 else min(end, body + size)
        name = _EBML_NESTED.get(identity) or _EBML_RATES.get(identity, f"{identity:x}")
        fields = [
            Field(f"{name}.id", 8 * place, 8 * id_size),
            Field(f"{name}.length", size_field.bit, size_bits),
        ]
        if identity not in _EBML_NESTED and stop > body:
            value_bits = 8 * min(_MOST_VALUE, stop - body)
            fields.append(Field(f"{name}.value", 8 * body, value_bits))
            # The fields of the element have its name; of its sample rate only the value is one.
            if identity in _EBML_RATES:
                fields[:2] = [replace(each, name=each.name.replace("rate", "hertz")) for each in fields[:2]]
        found.append(Part(name, place, body, stop, tuple(fields)))
        if identity in _EBML_NESTED:
            found += _ebml(data, body, stop, depth + 1)
        place = stop
    return found


def _flac(data: bytes) -> list[Part]:
    grammar = Grammar(id_size=1, size_size=3, first=4, opening="magic:4", fields={b"\0": _FLAC_STREAMINFO})
    found: list[Part] = []
    for part in chunks(data, grammar):
        found.append(part)
        if part.name != "start" and data[part.start] & 0x80:
            break
    return found + frames(data, "frame", b"\xff\xf8", 0xFFFE, _FLAC_FRAME, least=64, start=found[-1].end)


def _mpeg(data: bytes) -> list[Part]:
    found: list[Part] = []
    start = 0
    if data.startswith(b"ID3"):
        opening = "magic:3 version:1 revision:1 flags:1 size:4"
        tag = Grammar(
            extra=2, first=10, opening=opening, fields=dict.fromkeys((b"TSSE", b"TIT2"), "flags:2 text:1")
        )
        start = 10 + sum(byte << 7 * (3 - at) for at, byte in enumerate(data[6:10]))
        found = chunks(data[:start], tag)
    for marker in (b"Xing", b"Info"):
        place = data.find(marker, start, start + 400)
        if place >= 0:
            spec = "magic:4 flags:4 frames:4 bytes:4 entry:4"
            fields = named_fields("xing", spec, place, place + 20, little=False)
            fields += named_fields("lame", "_:21 delays:3", place + 120, place + 144, little=False)
            found.append(Part("xing", place, place + 8, place + 120, tuple(fields)))
    return found + frames(data, "frame", b"\xff\xe0", 0xFFE0, _MPEG, least=48, start=start)


def _header(spec: str, *, little: bool, size: int = 80) -> Callable[[bytes], list[Part]]:
    def find(data: bytes) -> list[Part]:
        end = min(size, len(data))
        return [Part("header", 0, end, end, tuple(named_fields("header", spec, 0, end, little=little)))]

    return find


def _chunked(grammar: Grammar, fields: dict[bytes, str] | None = None) -> Callable[[bytes], list[Part]]:
    whole = replace(grammar, fields=fields) if fields else grammar
    return lambda data: chunks(data, whole)


CONTAINERS: dict[str, Callable[[bytes], list[Part]]] = {
    "riff": _chunked(_RIFF),
    "iff": _chunked(_IFF),
    "caf": _chunked(_CAF),
    "w64": _chunked(_W64),
    "asf": _chunked(_ASF),
    "mp4": _chunked(_MP4),
    "voc": _chunked(_VOC, _VOC_FIELDS),
    "flv": _chunked(_FLV, _FLV_FIELDS),
    "wavpack": _chunked(_WAVPACK),
    "ogg": _ogg,
    "ebml": _ebml,
    "flac": _flac,
    "mpeg": _mpeg,
    "adts": lambda data: frames(data, "frame", b"\xff\xf0", 0xFFF6, _ADTS, least=32),
    "ac3": lambda data: frames(data, "frame", b"\x0b\x77", 0xFFFF, _AC3, least=64),
    "ts": lambda data: frames(data, "packet", b"\x47", 0xFF, _TS, least=188),
    "au": _header(_AU, little=False),
    "tta": _header(_TTA, little=True),
    "rifx": _chunked(replace(_RIFF, little=False)),
    "ircam": _header(_IRCAM, little=True),
    "htk": _header(_HTK, little=False),
    "avr": _header(_AVR, little=False),
    "paf": _header(_PAF, little=False),
    "mpc2k": _header(_MPC2K, little=True),
    "words": _header(" ".join(f"w{number}:4" for number in range(16)), little=True),
} | {name: _header(spec, little=name in {"ape", "mpc"}) for name, spec in _HOLLOW.items()}
