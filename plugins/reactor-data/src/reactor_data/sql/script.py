"""A migration file, read: every statement with what the runner has to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from reactor_data.sql.expression import Compiled, Piece
from reactor_data.sql.lexer import Kind, Token
from reactor_data.sql.policy import PolicyDeclaration, PolicyRemoval, parse_policy, parse_removal
from reactor_data.sql.recording import RecordingOption, option_truth, parse_recording_option
from reactor_data.sql.source import SqlComplaint, SqlSource
from reactor_data.sql.statements import SqlStatement, statements


@dataclass(frozen=True, slots=True)
class PlainStatement:
    """A statement sent to Postgres as it stands, less the options `rls` and `realtime`.

    Attributes:
        row_security: whether tables it creates get row security; False only after `with (rls = false)`.
        realtime: whether they record their changes; False only after `with (realtime = false)`.
    """

    compiled: Compiled
    start: int
    row_security: bool = True
    realtime: bool = True


@dataclass(frozen=True, slots=True)
class RemovalStatement:
    """`drop policy`: all derived policies when it names one in Reactor's form, else the statement itself."""

    removal: PolicyRemoval
    plain: PlainStatement


Step = PlainStatement | PolicyDeclaration | RemovalStatement | RecordingOption

_OWN_OPTIONS = ("rls", "realtime")

# Each of these would end the one transaction that makes a file all or nothing, or change who owns what it creates.
_ENDS_TRANSACTION = {
    ("begin",): "BEGIN",
    ("start", "transaction"): "START TRANSACTION",
    ("commit",): "COMMIT",
    ("end",): "END",
    ("abort",): "ABORT",
    ("rollback",): "ROLLBACK",
    ("prepare", "transaction"): "PREPARE TRANSACTION",
}
_CHANGES_ROLE = {
    ("set", "role"): "SET ROLE",
    ("set", "local", "role"): "SET ROLE",
    ("set", "session", "role"): "SET ROLE",
    ("reset", "role"): "RESET ROLE",
    ("set", "session", "authorization"): "SET SESSION AUTHORIZATION",
    ("set", "local", "session", "authorization"): "SET SESSION AUTHORIZATION",
    ("reset", "session", "authorization"): "RESET SESSION AUTHORIZATION",
}


def parse_script(source: SqlSource) -> list[Step]:
    """Read a whole file.

    Raises:
        SqlComplaint: the first thing in it that cannot be used.
    """
    return [_step(source.text, statement) for statement in statements(source.text)]


def _step(text: str, statement: SqlStatement) -> Step:
    words = statement.words(4)
    if words[:1] == ("policy",):
        return parse_policy(text, statement)
    _refuse(statement, words)
    if words[:1] == ("create",):
        return _creation(text, statement)
    plain = PlainStatement(Compiled((Piece(statement.text, statement.start),)), statement.start)
    option = parse_recording_option(statement)
    if option is not None:
        return option
    removal = parse_removal(statement)
    return plain if removal is None else RemovalStatement(removal, plain)


def _refuse(statement: SqlStatement, words: tuple[str, ...]) -> None:
    last = statement.tokens[min(len(words), len(statement.tokens)) - 1]
    if words[:1] == ("rollback",) and "to" in words:
        return
    for table, reason, fix in (
        (_ENDS_TRANSACTION, "cannot stand in a migration: each file is one transaction", "remove it"),
        (
            _CHANGES_ROLE,
            "cannot stand in a migration: it runs as the role that owns the tables",
            "remove it; to give a table away use ALTER TABLE … OWNER TO",
        ),
    ):
        for head, shown in table.items():
            if words[: len(head)] == head:
                raise SqlComplaint(f"{shown} {reason}", start=statement.start, end=last.end, fix=fix)
    if words[:1] == ("copy",) and statement.tokens[-1].text == "stdin":
        raise SqlComplaint(
            "COPY … FROM STDIN cannot stand in a migration: there is no input to read",
            start=statement.start,
            end=statement.end,
            fix="write the rows as INSERT",
        )


def _creation(text: str, statement: SqlStatement) -> PlainStatement:
    """Take the options `rls` and `realtime` out of a CREATE TABLE's `with (…)`."""
    whole = PlainStatement(Compiled((Piece(statement.text, statement.start),)), statement.start)
    head = {"create", "global", "local", "temp", "temporary", "unlogged"}
    tokens = statement.tokens
    at = next((index for index, token in enumerate(tokens) if token.text not in head), len(tokens))
    if at == len(tokens) or tokens[at].kind is not Kind.WORD or tokens[at].text != "table":
        return whole
    options = _options(tokens, at)
    own: dict[str, tuple[Token, ...]] = {}
    for option in options:
        name = option[0].text
        if option[0].kind is not Kind.WORD or name not in _OWN_OPTIONS:
            continue
        if name in own:
            raise SqlComplaint(
                f"the option {name} stands twice", start=option[0].start, end=option[-1].end, fix="keep one of them"
            )
        own[name] = option
    if not own:
        return whole
    kept = [option for option in options if option not in own.values()]
    opening, closing = _bounds(tokens, options)
    if kept:
        between = ", ".join(text[option[0].start : option[-1].end] for option in kept)
        pieces: tuple[Piece, ...] = (
            Piece(text[statement.start : opening.end], statement.start),
            Piece(between),
            Piece(text[closing.start : statement.end], closing.start),
        )
    else:
        with_token = tokens[tokens.index(opening) - 1]
        pieces = (
            Piece(text[statement.start : with_token.start], statement.start),
            Piece(text[closing.end : statement.end], closing.end),
        )
    parts = tuple(piece for piece in pieces if piece.text)
    truths = {name: option_truth(option) for name, option in own.items()}
    return PlainStatement(Compiled(parts), statement.start, truths.get("rls", True), truths.get("realtime", True))


def _options(tokens: tuple[Token, ...], at: int) -> list[tuple[Token, ...]]:
    """Return the options of the storage `with (…)` that has one of ours among them, each as its tokens."""
    depth = 0
    for index in range(at, len(tokens)):
        token = tokens[index]
        if token.kind is Kind.SYMBOL:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        elif depth == 0 and token.kind is Kind.WORD:
            if token.text == "as":
                return []
            if token.text == "with" and index + 1 < len(tokens) and tokens[index + 1].text == "(":
                options = _split_options(tokens, index + 2)
                if any(option[0].text in _OWN_OPTIONS for option in options):
                    return options
    return []


def _split_options(tokens: tuple[Token, ...], first: int) -> list[tuple[Token, ...]]:
    options: list[tuple[Token, ...]] = []
    current: list[Token] = []
    depth = 0
    for token in tokens[first:]:
        if token.kind is Kind.SYMBOL:
            if token.text == ")" and depth == 0:
                break
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "," and depth == 0:
                if current:
                    options.append(tuple(current))
                current = []
                continue
        current.append(token)
    if current:
        options.append(tuple(current))
    return options


def _bounds(tokens: tuple[Token, ...], options: list[tuple[Token, ...]]) -> tuple[Token, Token]:
    return tokens[tokens.index(options[0][0]) - 1], tokens[tokens.index(options[-1][-1]) + 1]
