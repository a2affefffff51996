"""The parts forms are made of; every text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape


def hidden(fields: Mapping[str, str]) -> str:
    """Return hidden inputs."""
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n' for name, value in fields.items()
    )


def form(action: str, fields: Mapping[str, str], *parts: str, extra: str = "") -> str:
    """Return a form that is posted; `parts` are HTML, `extra` are attributes."""
    return f'<form method="post" action="{escape(action)}"{extra}>\n{hidden(fields)}{chr(10).join(parts)}\n</form>'


def problem(text: str | None, field: str | None = None) -> str:
    """Return the summary of what is wrong, linked to the field it is about; nothing for None."""
    if text is None:
        return ""
    said = escape(text) if field is None else f'<a href="#{field}">{escape(text)}</a>'
    return f'<div class="error" role="alert" id="problem">{said}</div>\n'


def field(
    name: str,
    label: str,
    *,
    kind: str = "text",
    autocomplete: str = "off",
    value: str = "",
    wrong: bool = False,
    first: bool = False,
    required: bool = True,
    extra: str = "",
) -> str:
    """Return a labelled input. `wrong` marks it, `first` gives it the focus; `extra` are attributes."""
    marks = ' aria-invalid="true" aria-describedby="problem"' if wrong else ""
    focus = " autofocus" if first else ""
    needed = "required" if required else ""
    return (
        f'<label for="{name}">{escape(label)}</label>\n'
        f'<input id="{name}" name="{name}" type="{kind}" autocomplete="{autocomplete}" value="{escape(value)}" '
        f"{needed}{marks}{focus}{extra}>"
    )


def code_field(name: str, label: str, *, wrong: bool = False, numeric: bool = True) -> str:
    """Return an input for a one-time code."""
    mode = ' inputmode="numeric"' if numeric else ' autocapitalize="characters"'
    return field(
        name,
        label,
        autocomplete="one-time-code" if numeric else "off",
        wrong=wrong,
        first=True,
        extra=f'{mode} spellcheck="false"',
    )


def button(
    label: str, *, name: str | None = None, value: str = "", secondary: bool = False, spoken: str | None = None
) -> str:
    """Return a button that submits the form; `spoken` is read out where `label` alone would not say enough."""
    named = "" if name is None else f' name="{name}" value="{escape(value)}"'
    kind = ' class="secondary"' if secondary else ""
    # A secondary choice needs no filled-in fields.
    free = " formnovalidate" if secondary else ""
    read = "" if spoken is None else f' aria-label="{escape(spoken)}"'
    return f'<button type="submit"{named}{kind}{free}{read}>{escape(label)}</button>'


def listed(items: Iterable[str], *, extra: str = "") -> str:
    """Return a list of texts; `extra` are attributes."""
    return f"<ul{extra}>\n" + "".join(f"<li>{escape(item)}</li>\n" for item in items) + "</ul>"
