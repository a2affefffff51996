"""The option `realtime` of a table: whether it records its changes for subscribers."""

from __future__ import annotations

from dataclasses import dataclass

from reactor_data.sql.lexer import Token
from reactor_data.sql.policy import TableName, read_table
from reactor_data.sql.reader import TokenReader
from reactor_data.sql.source import SqlComplaint
from reactor_data.sql.statements import SqlStatement

_FORM = "write: alter table NAME set (realtime = true); or false"


@dataclass(frozen=True, slots=True)
class RecordingOption:
    """`alter table T set (realtime = …)`."""

    table: TableName
    enabled: bool
    start: int


def parse_recording_option(statement: SqlStatement) -> RecordingOption | None:
    """Parse `alter table [if exists] [only] T set (realtime [= bool])`; None when it is anything else.

    Raises:
        SqlComplaint: `realtime` stands beside other options, which Postgres knows and it does not.
    """
    reader = TokenReader(statement)
    if not (reader.take_word("alter") and reader.take_word("table")):
        return None
    if reader.take_word("if"):
        reader.take_word("exists")
    reader.take_word("only")
    named = [token.text for token in statement.tokens]
    if "realtime" not in named or "set" not in named:
        return None
    table = read_table(reader)
    if not (reader.take_word("set") and reader.take_symbol("(")):
        return None
    inside = list(statement.tokens[reader.at : -1])
    first = next((token for token in inside if token.text == "realtime"), None)
    if first is None:
        return None
    if inside[0] is not first or any(token.text == "," for token in inside) or statement.tokens[-1].text != ")":
        raise SqlComplaint(
            "realtime stands alone: it is no storage parameter of Postgres",
            start=first.start,
            end=first.end,
            fix=_FORM,
        )
    return RecordingOption(table, option_truth(tuple(inside)), statement.start)


def option_truth(option: tuple[Token, ...]) -> bool:
    """Read `name` or `name = bool`. Raises SqlComplaint for anything else."""
    if len(option) == 1:
        return True
    value = option[2].text.strip("'").lower() if len(option) == 3 and option[1].text == "=" else ""
    if value in ("true", "on", "yes", "1"):
        return True
    if value in ("false", "off", "no", "0"):
        return False
    name = option[0].text
    raise SqlComplaint(
        f"{name} is either true or false",
        start=option[0].start,
        end=option[-1].end,
        fix=f"write with ({name} = true) or with ({name} = false)",
    )
