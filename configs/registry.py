"""Registries: settings give a name, and one file holds the class or function of that name."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from flawcast.configs.errors import SettingsError

T = TypeVar("T")

PLUGINS = "flawcast.plugins"  # group of entry points, each a module that registers what it holds


class Registry(Generic[T]):
    """A lookup by name that finds its entries by importing the modules of one package.

    Modules of other installed packages are imported, too, where an entry point of the group
    `flawcast.plugins` names them.

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
        """Make a class or function (as its decorator) or an object known under `name`.

        A class learns its name: it gets an attribute `name`.

        Raises:
            SettingsError: If something else has that name; the same definition, run anew as in a
                notebook, replaces itself.
        """

        def add(entry: T) -> T:
            known = self._entries.get(name)
            if known is not None and _definition(known) != _definition(entry):
                raise SettingsError(
                    f"{self._kind} {name}: expected a new name for {'.'.join(_definition(entry))}, "
                    f"{'.'.join(_definition(known))} has it; choose another"
                )
            if isinstance(entry, type):
                type.__setattr__(entry, "name", name)
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
        """Import every module of the package, and plugins, once: each registers what it holds.

        Raises:
            SettingsError: If a plugin cannot be imported.
        """
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        for plugin in entry_points(group=PLUGINS):
            try:
                plugin.load()
            except Exception as error:
                raise SettingsError(
                    f"plugin {plugin.name}: expected a module that can be imported, "
                    f"{plugin.value} raises {type(error).__name__}: {error}; mend or remove it"
                ) from error
        self._discovered = True


def _definition(entry: object) -> tuple[str, str]:
    """Module and name of what defines an entry."""
    what = entry if inspect.isclass(entry) or inspect.isroutine(entry) else type(entry)
    return what.__module__, what.__qualname__
