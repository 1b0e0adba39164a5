"""The list of supported audio formats; imports little, since listing folders needs it."""

from __future__ import annotations

# Extensions of the files that libsndfile reads.
_LIBSNDFILE = {
    ".8svx", ".aif", ".aifc", ".aiff", ".au", ".avr", ".bwf", ".caf", ".flac", ".ircam", ".mp1", ".mp2",
    ".mp3", ".mpa", ".nist", ".oga", ".ogg", ".opus", ".paf", ".pvf", ".rf64", ".snd", ".sph", ".svx",
    ".voc", ".w64", ".wav", ".wave", ".wve",
}  # fmt: skip

# The FFmpeg demuxers that are allowed, and the extensions of their files. Other demuxers read playlists,
# subtitles and images; some of them open further files or URLs.
_FFMPEG = {
    "aac": (".aac", ".adts"),
    "ac3": (".ac3",),
    "aiff": (".aif", ".aifc", ".aiff"),
    "amr": (".amr", ".awb"),
    "ape": (".ape",),
    "asf": (".asf", ".wma", ".wmv"),
    "au": (".au", ".snd"),
    "avi": (".avi",),
    "caf": (".caf",),
    "dsf": (".dsf",),
    "dts": (".dts",),
    "dtshd": (".dtshd",),
    "eac3": (".eac3", ".ec3"),
    "flac": (".flac",),
    "flv": (".f4v", ".flv"),
    "iff": (".dff",),
    "matroska": (".mka", ".mkv"),
    "mov": (".3g2", ".3ga", ".3gp", ".alac", ".m4a", ".m4b", ".m4r", ".m4v", ".mov", ".mp4", ".qt"),
    "mp3": (".mp1", ".mp2", ".mp3", ".mpa"),
    "mpc": (".mpc", ".mp+", ".mpp"),
    "mpc8": (".mpc",),
    "mpeg": (".mpeg", ".mpg", ".vob"),
    "mpegts": (".m2ts", ".mts", ".ts"),
    "oma": (".aa3", ".oma"),
    "ogg": (".oga", ".ogg", ".ogv", ".ogx", ".opus", ".spx"),
    "rm": (".ra", ".rm", ".rmvb"),
    "shn": (".shn",),
    "tak": (".tak",),
    "tta": (".tta",),
    "voc": (".voc",),
    "w64": (".w64",),
    "wav": (".rf64", ".wav", ".wave"),
    "webm": (".webm",),
    "wv": (".wv",),
    "xwma": (".xwma",),
}

FFMPEG_DEMUXERS = tuple(_FFMPEG)
"""Names of the demuxers that FFmpeg may use."""

AUDIO_EXTENSIONS = frozenset(_LIBSNDFILE).union(*_FFMPEG.values())
"""Extensions of the audio files that are taken from folders, in lower case and with the dot."""

# First bytes of the containers that only FFmpeg reads: Matroska, ASF, FLV, MPEG-PS, WavPack, TTA,
# Monkey's Audio, Musepack, RealMedia, AMR, TAK, DSF.
_BEGINNINGS = (
    b"\x1aE\xdf\xa3",
    b"0&\xb2u\x8ef\xcf\x11", b"FLV\x01", b"\0\0\x01\xba", b"wvpk", b"TTA1", b"MAC ", b"MPCK",
    b"MP+", b".RMF", b"#!AMR", b"tBaK", b"DSD ",
)  # fmt: skip


def is_known_container(head: bytes) -> bool:
    """Return whether a file begins like a container that FFmpeg knows; the rest may be damaged."""
    return head.startswith(_BEGINNINGS) or head[4:8] in (b"ftyp", b"moov", b"mdat") or head[8:11] == b"AVI"
