"""The tokenizer and the splitter, against generated scripts whose statements are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_data.sql.lexer import Kind, tokens
from reactor_data.sql.source import SqlComplaint, SqlSource
from reactor_data.sql.statements import statements

ANYTHING = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
HOSTILE = st.sampled_from(
    ["policy", ";", "--", "/*", "*/", "$$", "$a$", "'", '"', "begin atomic", "(", ")", "\n", "\\"]
)
WILD = st.lists(st.one_of(ANYTHING, HOSTILE), max_size=5).map("".join)

single = WILD.map(lambda text: "'" + text.replace("'", "''") + "'")
escaped = WILD.map(lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
quoted = WILD.map(lambda text: '"' + text.replace('"', '""') + '"')
dollar = WILD.filter(lambda text: "$q$" not in text and not text.endswith(("$", "$q"))).map(
    lambda text: f"$q${text}$q$"
)
line_comment = WILD.map(lambda text: "--" + text.replace("\n", " ").replace("\r", " ") + "\n")
block_comment = WILD.map(
    lambda text: "/*" + text.replace("*/", "").replace("/*", "").replace("/", "").replace("*", "") + "*/"
)
nested_comment = st.tuples(block_comment, block_comment).map(lambda pair: f"/* {pair[0]} policy; {pair[1]} */")
plain = st.sampled_from(["select", "1", "a.b", "x + y", "policy_x", "::text", "(a, (b))", "[1]", "$1", ".5e3"])
comment = st.one_of(line_comment, block_comment, nested_comment)
atom = st.one_of(single, escaped, quoted, dollar, plain)
statement = st.lists(st.tuples(atom, st.one_of(st.just(" "), comment)), min_size=1, max_size=6).map(
    lambda pairs: "".join(f"{atom} {gap} " for atom, gap in pairs)
)


@given(st.lists(statement, max_size=5))
def test_a_script_splits_into_the_statements_it_was_joined_from(parts: list[str]) -> None:
    found = statements(";\n".join(parts))
    assert len(found) == len(parts)
    for part, one in zip(parts, found, strict=True):
        assert [(token.kind, token.text) for token in one.tokens] == [
            (token.kind, token.text) for token in tokens(part)
        ]


@given(st.lists(atom, min_size=1, max_size=6))
def test_every_atom_stays_one_token_or_its_own_tokens(atoms: list[str]) -> None:
    joined = " ".join(atoms)
    spans = [joined[token.start : token.end] for token in tokens(joined)]
    assert "".join(spans) == "".join("".join(atom[token.start : token.end] for token in tokens(atom)) for atom in atoms)


@given(WILD)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    complaint, found = None, []
    try:
        found = statements(text)
    except SqlComplaint as raised:
        complaint = raised
    assert all(text[one.start : one.end] == one.text for one in found)
    if complaint is not None:
        assert 0 <= complaint.start <= len(text)
        assert complaint.fix
        assert complaint.describe(SqlSource("m.sql", text)).startswith("m.sql:")


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("select ';' ; select 2", 2),
        ("select E'\\';' ; select 2", 2),
        ("select E'a'\n'\\';' ; select 2", 2),
        ("select 'a\\'; select 2", 2),
        ('select ";" ; select 2', 2),
        ("select $$ ; $$ ; select $a$ $$ ; $b$ ; $a$", 2),
        ("select a$b$ ; select 1", 2),
        ("/* ; /* ; */ ; */ select 1 -- ;\n; select 2;;", 2),
        ("create rule r as on insert to t do also (insert into a values (1); insert into b values (2)); select 1", 2),
        (
            "create function f() returns int begin atomic select 1; select case when true then 1 else 2 end; end; select 2",
            2,
        ),
        ("create or replace procedure p() begin atomic insert into a values (1); end; select 2", 2),
        ("select U&'\\0041;' , U&\"d;\" ; select 2", 2),
        ("", 0),
        (" ; -- nothing\n ; ", 0),
    ],
)
def test_semicolons_count_only_where_they_end_a_statement(script: str, count: int) -> None:
    assert len(statements(script)) == count


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("select 'a", "m.sql:1:8: this string is never closed\n  | select 'a\n  |        ^\n  fix: end it with a '"),
        (
            "select 1;\nselect $x$ a",
            "m.sql:2:8: the text quoted with $x$ is never closed\n  | select $x$ a\n  |        ^^^\n  fix: end it with $x$",
        ),
        ("/* /* */", "m.sql:1:1: this comment is never closed\n  | /* /* */\n  | ^^\n  fix: end it with */"),
        (
            'select "a',
            'm.sql:1:8: this quoted identifier is never closed\n  | select "a\n  |        ^\n  fix: end it with a "',
        ),
        ("select (1;", 'm.sql:1:8: this "(" is never closed\n  | select (1;\n  |        ^\n  fix: add the missing ")"'),
        (
            "select 1)",
            'm.sql:1:9: this ")" closes nothing\n  | select 1)\n  |         ^\n  fix: remove it or add the missing "("',
        ),
    ],
)
def test_what_is_never_closed_is_shown_where_it_opens(script: str, message: str) -> None:
    with pytest.raises(SqlComplaint) as raised:
        statements(script)
    assert raised.value.describe(SqlSource("m.sql", script)) == message


def test_identifiers_fold_as_postgres_folds_them() -> None:
    assert [(token.kind, token.text) for token in tokens('SELECT "Ab""c" Äx')] == [
        (Kind.WORD, "select"),
        (Kind.QUOTED, 'Ab"c'),
        (Kind.WORD, "Äx"),
    ]
