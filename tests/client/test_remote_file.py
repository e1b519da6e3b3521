"""How often a file on the cloud is asked for."""

from __future__ import annotations

import io

import pytest

from django_cloudkey.client.remote_file import PIECE, RemoteFile

CONTENT = bytes(range(256)) * 16_000  # 3.9 pieces


class Asked:
    """A cloud with one file, that remembers which lengths it was asked for."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, start: int, length: int) -> bytes:
        self.lengths.append(length)
        return CONTENT[start : start + length]

    def open(self) -> io.BufferedReader:
        return io.BufferedReader(RemoteFile(self, len(CONTENT)), PIECE)


def test_whole_file_is_asked_for_in_pieces() -> None:
    asked = Asked()

    assert asked.open().read() == CONTENT

    assert asked.lengths == [PIECE, PIECE, PIECE, len(CONTENT) - 3 * PIECE]


def test_rest_of_a_file_is_asked_for_in_pieces() -> None:
    asked = Asked()
    file = asked.open()

    assert file.read(10) + file.read() == CONTENT

    assert len(asked.lengths) == 4


def test_little_by_little_is_asked_for_in_pieces() -> None:
    asked = Asked()
    file = asked.open()

    assert b"".join(iter(lambda: file.read(10_000), b"")) == CONTENT

    assert len(asked.lengths) == 4


def test_place_to_seek_from_must_be_one() -> None:
    with pytest.raises(ValueError, match="whence is 0, 1 or 2, got 7"):
        RemoteFile(lambda start, length: b"", 10).seek(0, 7)
