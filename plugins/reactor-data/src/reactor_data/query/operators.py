"""The table of filter operators (contract data.md §4.3)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Family(Enum):
    """How an operator reads its value."""

    COMPARE = "compare"  # one value, or with (any)/(all) an array literal
    PATTERN = "pattern"  # the same, `*` standing for `%`
    CONTAIN = "contain"  # arrays, ranges, jsonb
    RANGE = "range"
    LIST = "list"
    KEYWORD = "keyword"
    DISTINCT = "distinct"
    FULL_TEXT = "full text"


class Operator(NamedTuple):
    """An operator as SQL: an infix, or for full text the function that reads the query."""

    sql: str
    family: Family


OPERATORS: dict[str, Operator] = {
    "eq": Operator("=", Family.COMPARE),
    "neq": Operator("<>", Family.COMPARE),
    "gt": Operator(">", Family.COMPARE),
    "gte": Operator(">=", Family.COMPARE),
    "lt": Operator("<", Family.COMPARE),
    "lte": Operator("<=", Family.COMPARE),
    "like": Operator("like", Family.PATTERN),
    "ilike": Operator("ilike", Family.PATTERN),
    "match": Operator("~", Family.COMPARE),
    "imatch": Operator("~*", Family.COMPARE),
    "cs": Operator("@>", Family.CONTAIN),
    "cd": Operator("<@", Family.CONTAIN),
    "ov": Operator("&&", Family.CONTAIN),
    "sl": Operator("<<", Family.RANGE),
    "sr": Operator(">>", Family.RANGE),
    "nxr": Operator("&<", Family.RANGE),
    "nxl": Operator("&>", Family.RANGE),
    "adj": Operator("-|-", Family.RANGE),
    "in": Operator("= any", Family.LIST),
    "is": Operator("is", Family.KEYWORD),
    "isdistinct": Operator("is distinct from", Family.DISTINCT),
    "fts": Operator("to_tsquery", Family.FULL_TEXT),
    "plfts": Operator("plainto_tsquery", Family.FULL_TEXT),
    "phfts": Operator("phraseto_tsquery", Family.FULL_TEXT),
    "wfts": Operator("websearch_to_tsquery", Family.FULL_TEXT),
}

# What `is` may be followed by, with its SQL.
KEYWORDS: dict[str, str] = {
    "null": "null",
    "not_null": "not null",
    "true": "true",
    "false": "false",
    "unknown": "unknown",
}

QUANTIFIED = (Family.COMPARE, Family.PATTERN)
# `neq` has no quantified form in the grammar.
UNQUANTIFIED = ("neq",)
