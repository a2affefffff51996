"""What was understood once is kept, whoever asks; what differs in anything is another request."""

from __future__ import annotations

import pytest

from reactor_data.asking import LONGEST_KEPT, Asked, Asker
from reactor_data.config import DataConfig
from reactor_data.errors import DataError
from reactor_data.query.rendering import Shape

ASKER = Asker(DataConfig())


def ask(
    raw: str,
    prefer: str | None = None,
    range_header: str | None = None,
    shape: Shape = Shape(),  # noqa: B008 - frozen
    body: bool = True,
) -> Asked:
    return ASKER.understand(raw, prefer, range_header, shape, body)


def test_the_same_words_are_understood_once() -> None:
    assert ask("select=id&limit=3", "count=exact") is ask("select=id&limit=3", "count=exact")


def test_every_difference_makes_another_request() -> None:
    asked = [
        ask("id=eq.1"),
        ask("id=eq.2"),
        ask("id=eq.1", "count=exact"),
        ask("id=eq.1", None, "0-4"),
        ask("id=eq.1", shape=Shape("object")),
        ask("id=eq.1", body=False),
    ]
    assert len({id(one) for one in asked}) == len(asked)
    assert [one.parsed.values for one in asked[:2]] == [["1"], ["2"]]
    assert (asked[3].page.offset, asked[3].page.limit) == (0, 5)


def test_long_requests_are_answered_and_not_kept() -> None:
    raw = "title=eq." + "x" * LONGEST_KEPT
    assert ask(raw) is not ask(raw)
    assert ask(raw).parsed.values == ["x" * LONGEST_KEPT]


def test_refusals_are_not_kept_and_come_again() -> None:
    for _ in range(2):
        with pytest.raises(DataError):
            ask("id=nonsense.1")


def test_the_content_location_sorts_parameters_and_quotes_the_path() -> None:
    assert ask("b=eq.2&a=eq.1").location("/data/v1/t") == "/data/v1/t?a=eq.1&b=eq.2"
    assert ask("").location("/data/v1/caf\u00e9 x") == "/data/v1/caf%C3%A9%20x"
