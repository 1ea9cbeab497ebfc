"""The subcommands of `flawcast`, a file for each kind; importing this package registers them."""

from flows.commands import (
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
    "evaluating",
    "exporting",
    "looking",
    "making",
    "measuring",
    "models",
    "reviewing",
    "stores",
]
