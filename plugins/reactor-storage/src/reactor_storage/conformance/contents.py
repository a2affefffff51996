"""Contents: staged, kept, read, put together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from reactor_storage.backends.contract import Backend, BackendFailed, BlobMissing, ContentTooLong
from reactor_storage.conformance.subject import (
    MIB,
    NO_LIMIT,
    MakeBackend,
    Subject,
    content_of,
    everything,
    kept,
    pieces_of,
    sha256_of,
    staged,
)

_DIGITS = b"0123456789"
# (start, length) and what of the ten digits is read.
_PARTS: list[tuple[int, int | None, bytes]] = [
    (0, None, _DIGITS),
    (0, 10, _DIGITS),
    (0, 1, b"0"),
    (9, 1, b"9"),
    (9, None, b"9"),
    (3, 4, b"3456"),
    (3, None, b"3456789"),
    (3, 99, b"3456789"),
    (0, 0, b""),
    (5, 0, b""),
    (10, None, b""),
    (10, 5, b""),
    (99, 1, b""),
]


class Unexpected(Exception):
    """Raised by a source of pieces."""


class ContentChecks(Subject):
    """One content after another."""

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 999], ids=["empty", "one byte", "all bytes"])
    def test_a_kept_content_is_read_as_it_was_sent(self, backend: Backend, content: bytes) -> None:
        found = staged(backend, content)
        assert (found.size, found.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        backend.keep(found)
        assert content_of(backend, found.locator) == content

    def test_the_pieces_may_be_of_any_length(self, backend: Backend) -> None:
        found = backend.stage(iter([b"", b"a", b"", b"bc" * 300_000, b"d"]), limit=NO_LIMIT)
        backend.keep(found)
        assert content_of(backend, found.locator) == b"a" + b"bc" * 300_000 + b"d"

    def test_another_process_reads_it(self, backend: Backend, make_backend: MakeBackend) -> None:
        locator = kept(backend, b"shared")
        assert content_of(make_backend(), locator) == b"shared"

    def test_keeping_again_is_no_error(self, backend: Backend) -> None:
        found = staged(backend, b"twice")
        backend.keep(found)
        backend.keep(found)
        assert content_of(backend, found.locator) == b"twice"

    def test_a_long_content_is_read_whole_and_in_parts(self, backend: Backend) -> None:
        size = 20 * MIB + 12_345
        found = backend.stage(pieces_of(size), limit=size)
        backend.keep(found)
        assert (found.size, found.sha256) == (size, sha256_of(size))
        whole = content_of(backend, found.locator)
        assert hashlib.sha256(whole).hexdigest() == found.sha256
        for start, length in ((0, 1), (8 * MIB - 7, 20), (size - 3, 3), (size // 2, 3 * MIB)):
            assert b"".join(backend.read(found.locator, start, length)) == whole[start : start + length]

    @pytest.mark.parametrize(("start", "length", "expected"), _PARTS)
    def test_a_part_is_read(self, backend: Backend, start: int, length: int | None, expected: bytes) -> None:
        locator = kept(backend, _DIGITS)
        assert b"".join(backend.read(locator, start, length)) == expected

    @pytest.mark.parametrize(("start", "length"), [(0, None), (0, 0), (0, 5), (3, None)])
    def test_nothing_is_read_of_an_empty_content(self, backend: Backend, start: int, length: int | None) -> None:
        assert b"".join(backend.read(kept(backend, b""), start, length)) == b""

    @pytest.mark.parametrize("length", [None, 0, 5])
    def test_what_is_not_there_is_missing_before_a_piece_is_asked_for(
        self, backend: Backend, length: int | None
    ) -> None:
        locator = kept(backend, b"gone")
        backend.remove(locator)
        with pytest.raises(BlobMissing):
            backend.read(locator, 0, length)

    @pytest.mark.parametrize(
        "locator", ["", "no such locator", "../../etc/passwd", "/etc/passwd", "a/b", "\0", "ä" * 300]
    )
    def test_a_locator_of_nobody_reaches_nothing(self, backend: Backend, locator: str) -> None:
        with pytest.raises(BlobMissing):
            backend.read(locator)
        backend.remove(locator)

    def test_a_content_may_be_as_long_as_the_limit_and_no_longer(self, backend: Backend) -> None:
        assert backend.stage([b"12", b"34"], limit=4).size == 4
        before = everything(backend)
        for pieces in ([b"12345"], [b"12", b"34", b"5"]):
            with pytest.raises(ContentTooLong):
                backend.stage(pieces, limit=4)
        with pytest.raises(ContentTooLong):
            backend.stage([b"1"], limit=0)
        assert everything(backend) == before

    def test_beyond_the_limit_nothing_more_is_asked_for(self, backend: Backend) -> None:
        asked: list[None] = []

        def endless() -> Iterator[bytes]:
            while True:
                asked.append(None)
                yield bytes(MIB)

        with pytest.raises(ContentTooLong):
            backend.stage(endless(), limit=20 * MIB)
        assert len(asked) == 21

    @pytest.mark.parametrize("size", [0, 3, 20 * MIB], ids=["at once", "soon", "late"])
    def test_what_the_pieces_raise_is_raised_and_nothing_is_left(self, backend: Backend, size: int) -> None:
        def broken() -> Iterator[bytes]:
            yield from pieces_of(size)
            raise Unexpected

        with pytest.raises(Unexpected):
            backend.stage(broken(), limit=NO_LIMIT)
        assert everything(backend) == set()

    def test_contents_are_put_together_in_their_order(self, backend: Backend) -> None:
        parts = [kept(backend, content) for content in (b"one ", b"", b"two ", b"three")]
        whole = backend.compose([*parts, parts[0]], limit=NO_LIMIT)
        assert (whole.size, whole.sha256) == (17, hashlib.sha256(b"one two threeone ").hexdigest())
        backend.keep(whole)
        assert content_of(backend, whole.locator) == b"one two threeone "
        assert [content_of(backend, one) for one in parts] == [b"one ", b"", b"two ", b"three"]

    def test_what_is_put_together_may_be_too_long_or_lack_a_part(self, backend: Backend) -> None:
        parts = [kept(backend, b"one"), kept(backend, b"two")]
        with pytest.raises(ContentTooLong):
            backend.compose(parts, limit=5)
        backend.remove(parts[1])
        with pytest.raises(BlobMissing):
            backend.compose(parts, limit=NO_LIMIT)
        assert everything(backend) == {parts[0]}

    def test_what_was_discarded_cannot_be_kept(self, backend: Backend) -> None:
        found = staged(backend, b"changed my mind")
        backend.discard(found)
        with pytest.raises(BackendFailed):
            backend.keep(found)
        assert everything(backend) == set()
