"""Write docs/hooks.md from the hook specs; with --check, fail when it is not current."""

from __future__ import annotations

import argparse
import inspect
import sys
import textwrap
from pathlib import Path

from reactor_kernel.apiversion import HISTORY, KERNEL_API
from reactor_kernel.hookspecs import ALL_SPECS, kind_of

TARGET = Path(__file__).parent / "hooks.md"
KINDS = {
    "collect": "called once per plugin in boot order; yields contributions",
    "ask": "plugins are asked in order; the first answer that is not None wins",
    "vote": "every answer is read; one refusal or exception refuses, else one Allow grants",
    "tell": "the answer is ignored; an exception is logged",
}


def render() -> str:
    """Return the whole reference as Markdown."""
    version = ".".join(map(str, KERNEL_API))
    lines = [
        "# Hook reference",
        "",
        f"Generated from `reactor_kernel.hookspecs` by `docs/generate_hooks.py`. Kernel API {version}.",
        "",
        "An implementation is a method of the plugin class marked `@hookimpl`. It may take fewer arguments than its hook offers.",
        "",
    ]
    lines += [f"* *{kind}*: {text}." for kind, text in KINDS.items()]
    for specs in ALL_SPECS:
        lines += ["", f"## {inspect.getdoc(specs)}"]
        for name, function in vars(specs).items():
            if name.startswith("reactor_"):
                lines += hook(name, function)
    lines += ["", "## History", ""]
    lines += [f"* API {major}.{minor}: {text}" for (major, minor), text in sorted(HISTORY.items())]
    return "\n".join(lines) + "\n"


def hook(name: str, function: object) -> list[str]:
    """Return the section of one hook."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    arguments = [parameter for parameter in signature.parameters if parameter != "self"]
    document = inspect.getdoc(function) or ""
    prose, _, example = document.partition("Example:")
    answer = str(signature.return_annotation)
    return [
        "",
        f"### `{name}({', '.join(arguments)})`",
        "",
        f"*{kind_of(function).value}* → `{answer}`",  # type: ignore[arg-type]
        "",
        prose.strip(),
        "",
        textwrap.dedent(example).strip(),
    ]


def main() -> int:
    """Write or check the file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    wanted = render()
    if not parser.parse_args().check:
        TARGET.write_text(wanted)
        return 0
    if TARGET.exists() and TARGET.read_text() == wanted:
        return 0
    sys.stderr.write("docs/hooks.md is not current; run: python docs/generate_hooks.py\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
