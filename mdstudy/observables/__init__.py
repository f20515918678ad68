"""One file an observable, found by its name: there is no list to keep."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import cast

from mdstudy.analysis.frames import Observable
from mdstudy.base.results import Quantity


def recipes() -> dict[str, type[Observable]]:
    """Every observable of this package by its name.

    Returns
    -------
    dict of str to class
        ``name`` of the recipe to the recipe, sorted by name.
    """
    found: dict[str, type[Observable]] = {}
    for module in pkgutil.iter_modules(__path__):
        name = f"{__name__}.{module.name}"
        for _, item in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if item.__module__ == name and hasattr(item, "quantities"):
                recipe = cast(type[Observable], item)
                found[recipe.name] = recipe
    return dict(sorted(found.items()))


def vocabulary() -> dict[str, Quantity]:
    """Every quantity that an observable computes, by name."""
    return {quantity.name: quantity for recipe in recipes().values() for quantity in recipe.quantities}
