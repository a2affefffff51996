"""A function's call as the source of rows that the compiler of reads takes (contract data.md §4.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from reactor_data.catalog.model import Function, Relation, Schema
from reactor_data.query.ast import Star
from reactor_data.query.compiler import Plan, Read, compile_read
from reactor_data.query.expressions import BODY, Parameters
from reactor_data.query.levels import Rules
from reactor_data.sql.native import quote

# The value of the n-th argument passed as text is that of the source ARGUMENT - n.
ARGUMENT = -1000

# Types that mean one character or bit where they have no length.
_UNLIMITED = {
    "bit": "bit varying",
    "bit[]": "bit varying[]",
    "character": "bpchar",
    "character[]": "bpchar[]",
}


class Call(msgspec.Struct, frozen=True):
    """How a function is called: the parameters that get a value, and how they get it.

    json: from the members of a JSON object, the statement's BODY; texts: each as a text, the source ARGUMENT - n; body: the
    whole BODY is the one parameter's.
    """

    names: tuple[str, ...]
    passing: Literal["json", "texts", "body"]


def compile_call(schema: Schema, function: Function, call: Call, read: Read, rules: Rules) -> Plan:
    """Compile a call and what is asked of its rows. The row is that of a read."""
    relation = result_relation(schema, function)
    if function.returns == "void":
        read = Read(read.query, body=False, shape=read.shape)
    elif function.returns == "scalar":
        # There are no fields to select.
        query = msgspec.structs.replace(read.query, select=(Star(),))
        shape = msgspec.structs.replace(read.shape, value=function.name, bare=not function.returns_set)
        read = msgspec.structs.replace(read, query=query, shape=shape)
    elif not function.returns_set:
        read = msgspec.structs.replace(read, shape=msgspec.structs.replace(read.shape, bare=True))
    return compile_read(schema, relation, read, rules=rules, source=_source(function, call))


def result_relation(schema: Schema, function: Function) -> Relation:
    """Return the relation whose rows the function returns, or one that has its result's columns."""
    if function.relation is not None:
        return schema.relations[function.relation]
    columns = function.columns if function.returns == "composite" else (function.column,)
    return Relation(
        oid=0,
        schema=function.schema,
        name=function.name,
        kind="function",
        partition=False,
        row_security=False,
        policies=0,
        updatable=0,
        columns=columns,
    )


def _source(function: Function, call: Call) -> Callable[[Parameters], str]:
    parameters = [one for one in function.parameters if one.name in call.names or call.passing == "body"]

    def made(numbers: Parameters) -> str:
        arguments: list[str] = []
        record = ""
        for at, parameter in enumerate(parameters):
            kind = _UNLIMITED.get(parameter.type, parameter.type)
            if call.passing == "body":
                arguments.append(f"{numbers.number(BODY)}::{kind}")
                continue
            value = f'"a".{quote(parameter.name)}'
            if call.passing == "texts":
                value = f"{numbers.number(ARGUMENT - at)}::{kind}"
            arguments.append(f"{'variadic ' if parameter.variadic else ''}{quote(parameter.name)} := {value}")
        if call.passing == "json" and parameters:
            shape = ", ".join(f"{quote(one.name)} {_UNLIMITED.get(one.type, one.type)}" for one in parameters)
            record = f'json_to_record({numbers.number(BODY)}) as "a"({shape})'
        called = f"{function.sql}({', '.join(arguments)})"
        if function.returns != "composite":
            # In the select list also a record without columns has a value.
            origin = f" from {record}" if record else ""
            return f"(select {called} as {quote(function.name)}{origin})"
        return f'(select "f".* from {record} cross join lateral {called} as "f")' if record else called

    return made
