"""Registries: settings give a name, and one file holds the class or function of that name."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from flawcast.configs.errors import SettingsError

T = TypeVar("T")


class Registry(Generic[T]):
    """A lookup by name that finds its entries by importing the modules of one package.

    Args:
        kind: Kind of the entries, for messages ("forecaster").
        package: The package whose modules register entries ("flawcast.selection.metrics").

    Example:
        >>> SHAPES: Registry[type] = Registry("shape", "configs")
        >>> @SHAPES.register("circle")
        ... class Circle: ...
        >>> SHAPES["circle"] is Circle
        True
    """

    def __init__(self, kind: str, package: str) -> None:
        self._kind, self._package = kind, package
        self._entries: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Register a class, a function (as its decorator) or an object under `name`."""

        def add(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return add

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._discover()
        return sorted(self._entries)

    def __getitem__(self, name: str) -> T:
        """Return the entry called `name`.

        Raises:
            SettingsError: If nothing has that name; the message lists the names that exist.
        """
        self._discover()
        try:
            return self._entries[name]
        except KeyError:
            names = ", ".join(sorted(self._entries))
            raise SettingsError(f"{self._kind}: expected one of {names}; got {name!r}") from None

    def _discover(self) -> None:
        """Import every module of the package once, so that each registers its entries."""
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        self._discovered = True
