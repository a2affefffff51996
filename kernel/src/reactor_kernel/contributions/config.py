"""A plugin's table in Reactor.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Generated:
    """A secret that `reactor init` and `reactor up` make for a new project.

    It is stored in the vault under `vault_name` and the new Reactor.toml refers to it as `vault:<vault_name>`.
    `encoding` is "base64" or "hex", of `nbytes` random bytes.
    """

    vault_name: str
    nbytes: int = 32
    encoding: str = "base64"

    def __post_init__(self) -> None:
        if self.encoding not in ("base64", "hex"):
            raise ValueError(f"encoding of {self.vault_name} must be base64 or hex, not {self.encoding!r}")


@dataclass(frozen=True, slots=True)
class ConfigSection:
    """The shape of a plugin's section.

    `model` is a frozen dataclass; its field names are the keys, its types and defaults theirs. A nested dataclass is a
    nested table. `field(metadata={"doc": …, "min": …, "max": …, "choices": (…), "pattern": …})` restrict and document a
    key; `"parse": function` turns its text (of a list, each item's) into the field's type and raises ValueError("must be …");
    `"key": "from"` gives the file another name than the field has. A method `problems(self) -> Iterable[tuple[str, str]]`
    on the model reports faults across fields as (key, reason), a method `advice(self)` warnings in the same form.

    Attributes:
        secrets: dotted keys whose values never appear in output; `*` stands for any one key.
        reloadable: dotted keys that may change without a restart.
        initial: lines of TOML (`key = value`) for a new project's section.
        generate: secrets made for a new project, by key.
        files: files that `reactor init` writes into a new project, by path relative to it.
        examples: commands that the start screen of `reactor up` prints for pasting; `{url}` is the server's base URL.
    """

    model: type
    secrets: tuple[str, ...] = ()
    reloadable: tuple[str, ...] = ()
    initial: tuple[str, ...] = ()
    generate: Mapping[str, Generated] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (isinstance(self.model, type) and is_dataclass(self.model)):
            raise TypeError(f"ConfigSection.model must be a dataclass, not {self.model!r}")
        for path in self.files:
            steps = PurePosixPath(path).parts
            if not steps or path.startswith("/") or "\\" in path or ".." in steps or steps[0] == ".reactor":
                raise ValueError(f"{path!r} must be a path inside of the project, such as migrations/001_sample.sql")
