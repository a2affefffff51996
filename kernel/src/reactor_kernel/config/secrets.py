"""References: text in the configuration that names where the value is kept."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from reactor_kernel.contracts.runtime import Vault
from reactor_kernel.errors import NotFound, ReactorError

_TEMPLATE = re.compile(r"\{\{\s*env\s+([^\s{}]+)\s*\}\}\Z")
_TEMPLATE_INSIDE = re.compile(r"\{\{\s*env\s+[^\s{}]+\s*\}\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LARGEST_FILE = 64 * 1024


class Unresolvable(Exception):
    """A reference leads nowhere; the message says which and why and never shows a value."""


def is_reference(text: str) -> bool:
    """Tell whether the text names a place instead of being the value."""
    return text.startswith(("env:", "vault:", "file:")) or _TEMPLATE_INSIDE.search(text) is not None


class Resolver:
    """Follows `env:NAME`, `{{ env NAME }}`, `vault:name` and `file:PATH`.

    Args:
        environ: where `env:` looks.
        root: the project's directory, which the path of `file:` starts from.
        vault: opens the vault at the first `vault:` reference; None while the vault itself is being configured.
    """

    def __init__(self, environ: Mapping[str, str], root: Path, vault: Callable[[], Vault] | None) -> None:
        self._environ = environ
        self._root = root
        self._open_vault = vault

    def resolve(self, text: str) -> str:
        """Return the value that a reference leads to.

        Raises:
            Unresolvable: it leads nowhere, or to another reference.
            BootError: the vault cannot be opened.
        """
        template = _TEMPLATE.match(text)
        if template is not None:
            value = self._variable(f"env:{template.group(1)}", template.group(1))
        elif text.startswith("env:"):
            value = self._variable(text, text.removeprefix("env:"))
        elif text.startswith("vault:"):
            value = self._secret(text, text.removeprefix("vault:"))
        elif text.startswith("file:"):
            value = self._file(text, text.removeprefix("file:"))
        else:
            raise Unresolvable("a {{ env NAME }} reference must be the whole value")
        if is_reference(value):
            raise Unresolvable(f"reference {text} leads to another reference; write that one here")
        return value

    def _variable(self, reference: str, name: str) -> str:
        if not _VARIABLE.match(name):
            raise Unresolvable(f"reference {reference} does not name an environment variable")
        if name not in self._environ:
            raise Unresolvable(f"reference {reference} is not set")
        return self._environ[name]

    def _secret(self, reference: str, name: str) -> str:
        if self._open_vault is None:
            raise Unresolvable(f"reference {reference} cannot be used here: the vault is opened with this value")
        try:
            return self._open_vault().get(name).decode("utf-8")
        except NotFound:
            raise Unresolvable(f"reference {reference} is not in the vault") from None
        except UnicodeDecodeError:
            raise Unresolvable(f"reference {reference} holds bytes that are not UTF-8 text") from None
        except ReactorError as error:
            raise Unresolvable(f"reference {reference} cannot be read: {error.message}") from None

    def _file(self, reference: str, name: str) -> str:
        path = self._root / name
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise Unresolvable(f"reference {reference} is not a regular file")
            if found.st_mode & stat.S_IRWXO:
                raise Unresolvable(f"reference {reference} is open to every user of this machine; chmod 600 {name}")
            if found.st_size > _LARGEST_FILE:
                raise Unresolvable(f"reference {reference} is larger than {_LARGEST_FILE} bytes")
            text = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            raise Unresolvable(f"reference {reference} does not exist") from None
        except UnicodeDecodeError:
            raise Unresolvable(f"reference {reference} holds bytes that are not UTF-8 text") from None
        except OSError as error:
            raise Unresolvable(f"reference {reference} cannot be read: {error.strerror}") from None
        except ValueError:
            raise Unresolvable("a file: reference holds a path with a NUL character") from None
        return text.removesuffix("\n").removesuffix("\r")
