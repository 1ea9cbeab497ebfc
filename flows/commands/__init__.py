"""The subcommands of `flawcast`, a file for each kind; importing this package registers them."""

from flows.commands import making, measuring, models, stores

__all__ = ["making", "measuring", "models", "stores"]
