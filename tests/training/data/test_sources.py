"""Sources: packages fetched and unpacked, lists of files."""

import os
import shutil
import subprocess
import zipfile

import pytest

from tempocli.errors import DataError
from tempocli.training.data.prepare import listed_music, music_files
from tempocli.training.data.sources import (
    embedding_music_list,
    fetch,
    music_list,
    packages_of,
    song_packages,
    sounds_list,
)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A Debian package with a song in a pk3, and an apt-get that downloads it and no other."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: game-music\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
    )
    with zipfile.ZipFile(tree / "base.pk3", "w") as packed:
        packed.writestr("music/song.ogg", b"song")
    deb = tmp_path / "game-music_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", str(tree), str(deb)], check=True, capture_output=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = programs / "apt-get"
    fake.write_text(f'#!/bin/sh\n[ "$3" = game-music ] || {{ echo "E: no $3" >&2; exit 100; }}\ncp {deb} .\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return deb


def test_a_package_is_fetched_once(archive, tmp_path):
    folder = tmp_path / "music"
    assert list(fetch(folder, ["game-music"])) == ["game-music"]
    song = folder / "game-music" / "base.pk3.d" / "music" / "song.ogg"
    assert song.read_bytes() == b"song"
    archive.unlink()
    assert list(fetch(folder, ["game-music"])) == ["game-music"]
    assert music_files(folder) == ["game-music/base.pk3.d/music/song.ogg"]


def test_what_cannot_be_fetched_leaves_nothing(archive, tmp_path):
    with pytest.raises(DataError, match=r"apt-get -qq download other: E: no other"):
        list(fetch(tmp_path / "music", ["other"]))
    assert list((tmp_path / "music").iterdir()) == []


def test_a_broken_package_leaves_nothing(archive, tmp_path):
    archive.write_bytes(b"not an archive")
    with pytest.raises(DataError, match="dpkg-deb -x"):
        list(fetch(tmp_path / "music", ["game-music"]))
    assert list((tmp_path / "music").iterdir()) == []


def test_no_debian(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="Debian"):
        list(fetch(tmp_path / "music", ["game-music"]))


@pytest.mark.parametrize(
    ("listed", "least"),
    [(music_list(), 500), (embedding_music_list(), 500), (sounds_list(), 100)],
    ids=["tempo", "embedding", "sounds"],
)
def test_the_lists_that_ship_name_the_packages_they_need(listed, least):
    names = listed.read_text().splitlines()
    assert len(names) == len(set(names)) > least
    assert {name.split("/")[0] for name in names} == set(packages_of(listed))


def test_no_package_of_songs_has_recordings_that_the_tempo_models_learn_from():
    assert not set(packages_of(music_list())) & set(song_packages())


def test_music_for_measuring_is_not_trained_on():
    measured = {"pingus-data", "gweled", "heroes-sound-tracks", "fretsonfire-songs-muldjord", "performous"}
    assert not set(packages_of(embedding_music_list())) & measured


def test_sounds_are_not_in_the_list_of_music():
    sounds, music = (set(each().read_text().splitlines()) for each in (sounds_list, embedding_music_list))
    assert not sounds & music


def test_lists_of_files(tmp_path):
    listed = tmp_path / "list.txt"
    (tmp_path / "a b.ogg").touch()
    listed.write_text("a b.ogg\n")
    assert listed_music(tmp_path, listed) == ["a b.ogg"]
    listed.write_text("a b.ogg\nc.ogg\n")
    with pytest.raises(DataError, match=r"lacks 1 of the listed files, c\.ogg"):
        listed_music(tmp_path, listed)
    listed.write_text("\n")
    with pytest.raises(DataError, match="names no file"):
        listed_music(tmp_path, listed)
    listed.write_bytes(b"\xff")
    with pytest.raises(DataError, match="not a list"):
        listed_music(tmp_path, listed)
