"""Registries that map names to lazily imported objects, including entry points of plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from tam_video.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Registry:
    """A mapping from names to objects. An object is imported when its name is loaded.

    Attributes:
        kind: noun for an entry, such as "sampler"; used in error messages.
        targets: built-in names, as "module:attribute".
        group: entry-point group for plug-ins, such as `tam_video.samplers`.
    """

    kind: str
    targets: Mapping[str, str]
    group: str

    def names(self) -> list[str]:
        """Return the names of all built-in objects and plug-ins, sorted."""
        plugins = {point.name for point in entry_points(group=self.group)}
        return sorted(plugins | set(self.targets))

    def load(self, name: str) -> Any:
        """Import and return the object for a name. Built-in names take precedence over plug-ins.

        Raises:
            UnknownNameError: no built-in and no entry point has this name.
        """
        if name in self.targets:
            module, _, attribute = self.targets[name].partition(":")
            return getattr(import_module(module), attribute)
        for point in entry_points(group=self.group, name=name):
            return point.load()
        raise UnknownNameError(self.kind, name, self.names())
