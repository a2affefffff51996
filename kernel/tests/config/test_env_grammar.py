"""Values in variables: lists, tables, quotes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.config.env import as_string, split_list, split_table
from reactor_kernel.config.nodes import Text


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[]", []),
        ("[ ]", []),
        ("[a, b]", ["a", "b"]),
        ("[a, b,]", ["a", "b"]),
        ("[https://a.example:1/x?y=[1], b]", ["https://a.example:1/x?y=[1]", "b"]),
        ('["a, b", c]', ['"a, b"', "c"]),
        ("[it's, fine]", ["it's", "fine"]),
        ("[[1, 2], {a=1, b=2}]", ["[1, 2]", "{a=1, b=2}"]),
    ],
)
def test_lists(text: str, items: list[str]) -> None:
    assert [item.raw for item in split_list(Text(text))] == items


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("{}", {}),
        ("{a=1, b = x y}", {"a": "1", "b": "x y"}),
        ('{"a=b"=c, d="e, f"}', {"a=b": "c", "d": '"e, f"'}),
        ("{url=postgres://x?a=b}", {"url": "postgres://x?a=b"}),
        ("{a={b=[1,2]}}", {"a": "{b=[1,2]}"}),
    ],
)
def test_tables(text: str, entries: dict[str, str]) -> None:
    assert {key: item.raw for key, item in split_table(Text(text)).items()} == entries


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[a, [b]", "the brackets do not match: a ] is missing or stands too early"),
        ("[a]]", "the brackets do not match: a ] is missing or stands too early"),
        ("[a,,b]", "there is nothing between two commas"),
    ],
)
def test_broken_lists_say_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        split_list(Text(text))
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{a}", "each entry of a table is written key=value"),
        ("{=b}", "each entry of a table is written key=value"),
        ("{a=1, a=2}", "the key a stands twice"),
    ],
)
def test_broken_tables_say_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        split_table(Text(text))
    assert str(caught.value) == reason


@given(st.lists(st.text(alphabet="ab,[]{}='\" ", max_size=6)))
def test_quoted_items_come_back_as_they_were(items: list[str]) -> None:
    written = "[" + ", ".join('"' + item.replace('"', '\\"') + '"' for item in items) + "]"
    assert [as_string(item) for item in split_list(Text(written))] == items


@given(st.text(max_size=30))
def test_any_text_between_brackets_is_read_or_refused(text: str) -> None:
    for split, form in ((split_list, f"[{text}]"), (split_table, f"{{{text}}}")):
        with contextlib.suppress(ValueError):  # anything else fails the test
            split(Text(form))  # type: ignore[operator]


def test_what_a_reference_led_to_keeps_its_quotes() -> None:
    assert as_string(Text('"secret"', quotable=False)) == '"secret"'
    assert as_string(Text('"secret"')) == "secret"
    assert as_string(Text('"not \\q toml"')) == '"not \\q toml"'
