"""The subcommands of `flawcast`, a file for each kind; importing this package registers them."""

from flows.commands import (
    browsing,
    evaluating,
    exporting,
    looking,
    making,
    measuring,
    models,
    reviewing,
    stores,
)

__all__ = [
    "browsing",
    "evaluating",
    "exporting",
    "looking",
    "making",
    "measuring",
    "models",
    "reviewing",
    "stores",
]
