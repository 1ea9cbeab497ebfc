"""What the site has beside the files of this folder: a page of all commands, and the README's."""

import re
import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

COMMANDS = ("-m", "typer", "flawcast.flows.commands.line", "utils", "docs", "--name", "flawcast")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of all commands, made from their help texts."""
    printed = subprocess.run(  # noqa: S603 - our own interpreter and arguments
        [sys.executable, *COMMANDS], capture_output=True, text=True, check=True
    ).stdout
    text = printed.replace("# `flawcast`\n", "# Commands\n", 1)
    # Each default and each argument is code, so that nothing in it is taken for markup.
    text = re.sub(r"\[default: ([^\]]*)\]", r"(default: `\1`)", text)
    files.append(File.generated(config, "commands.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Let links to the README lead to the page that stands in its place."""
    return re.sub(r"\(\.\./README\.md(#[^)]*)?\)", "(index.md)", markdown)
