"""Templates of mails: `<mail>.txt`, whose first line is the subject, and `<mail>.html`; a project may replace each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reactor_auth.mail.catalog import COMMON, KINDS

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

OWN = Path(__file__).parent / "templates"
LAYOUT = "layout.html"
SUBJECT = "Subject: "


class TemplateBroken(Exception):
    """A template cannot be used; the text names the file and says why."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's contents."""

    subject: str
    text: str
    html: str


class Templates:
    """Renders mails, from the project's files where there are any."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    @cached_property
    def _environment(self) -> SandboxedEnvironment:
        from jinja2 import FileSystemLoader, StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        places = [OWN] if self._directory is None else [self._directory, OWN]
        return SandboxedEnvironment(
            loader=FileSystemLoader(places),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, template: str, variables: Mapping[str, object]) -> Rendered:
        """Render a mail. Raises TemplateBroken."""
        head, _, text = self._rendered(f"{template}.txt", variables).lstrip().partition("\n")
        # A name out of a variable may hold anything; a header holds one line.
        subject = " ".join("".join(sign if sign.isprintable() else " " for sign in head).split())
        if not subject.startswith(SUBJECT.strip()) or subject == SUBJECT.strip():
            raise TemplateBroken(f"{template}.txt: the first line must be the subject: {SUBJECT}…")
        return Rendered(
            subject.removeprefix(SUBJECT.strip()).strip(),
            text.strip() + "\n",
            self._rendered(f"{template}.html", variables).strip() + "\n",
        )

    def check(self) -> Iterator[str]:
        """Render every mail with stand-ins for its variables; yield what is wrong."""
        if self._directory is not None:
            yield from _strangers(self._directory)
        for kind in KINDS.values():
            stand_ins = {name: f"({name})" for name in (*COMMON, *kind.variables)}
            try:
                self.render(kind.name, stand_ins)
            except TemplateBroken as fault:
                yield str(fault)

    def _rendered(self, name: str, variables: Mapping[str, object]) -> str:
        from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError

        known = ", ".join(sorted(variables))
        try:
            return self._environment.get_template(name).render(variables)
        except TemplateSyntaxError as fault:
            raise TemplateBroken(f"{fault.name or name}, line {fault.lineno}: {fault.message}") from fault
        except UndefinedError as fault:
            raise TemplateBroken(f"{name}: {fault.message}; it may use {known}") from fault
        except (TemplateError, OSError, UnicodeDecodeError) as fault:
            raise TemplateBroken(f"{name}: {fault}") from fault
        except Exception as fault:
            raise TemplateBroken(f"{name}: {type(fault).__name__}: {fault}") from fault


def faults_in(directory: Path) -> list[str]:
    """Return what is wrong with a directory of templates."""
    if not directory.is_dir():
        return [f"there is no directory {directory}"]
    return list(dict.fromkeys(Templates(directory).check()))


def _strangers(directory: Path) -> Iterator[str]:
    """Name files that replace nothing, such as misspelt ones."""
    known = {LAYOUT} | {f"{name}{ending}" for name in KINDS for ending in (".txt", ".html")}
    for file in sorted(directory.iterdir()):
        if file.suffix in (".txt", ".html") and file.name not in known and not file.name.startswith("_"):
            yield f"{file.name} is no template of a mail; there are {', '.join(sorted(known))}"
