"""How much of each substance a recipe means.

Volumes add (ideal mixing), so the amount of the substance that brings a salt to its molarity follows from one linear
equation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from mdstudy.base.errors import SpecError
from mdstudy.system.recipe import MolarityTarget, Variant
from mdstudy.system.species import (
    Crosslinker,
    Molecule,
    Polymer,
    Species,
    load_species,
    named_species,
    substance_mass,
    substance_volume,
)


def volume_of(species: Species, where: str) -> float:
    """Contribution of a mole of a substance to the volume, cm^3.

    Raises
    ------
    SpecError
        Not known.
    """
    volume = substance_volume(species)
    if volume is None:
        raise SpecError(
            f"{where}: {species.name} has no molar_volume; weigh in a neutral substance that has one (LiFSI, not Li)"
        )
    return volume


def moles_of(recipe: Variant, where: str) -> dict[str, float]:
    """Moles of each substance (repeat units of a polymer), to a common factor.

    Parameters
    ----------
    recipe : Variant
    where : str
        Of the recipe, for messages.

    Raises
    ------
    SpecError
        An unknown substance or one without a volume, charges that do not add up to zero, or a molarity that cannot be
        reached.
    """
    if recipe.network is not None:
        recipe.network.check(f"{where}.network")
    moles: dict[str, float] = {}
    charge = 0.0
    for name, amount in recipe.amounts.items():
        species = named_species(name, f"{where}.amounts.{name}")
        if isinstance(species, Polymer | Crosslinker):
            table = "polymer" if isinstance(species, Polymer) else "network"
            raise SpecError(f"{where}.amounts.{name}: a {species.kind} goes into [{table}]")
        if recipe.network is not None and name in recipe.network.species:
            raise SpecError(f"{where}.amounts.{name}: it is in [network] already, by its share")
        moles[name] = _in_moles(name, amount, f"{where}.amounts.{name}")
        charge += moles[name] * (species.charge if isinstance(species, Molecule) else 0)
    if not any(moles.values()) and not recipe.is_neat:
        raise SpecError(f"{where}.amounts: nothing is weighed in: every amount is zero")
    if abs(charge) > 1e-9 * sum(moles.values()):
        raise SpecError(f"{where}.amounts: the box is not neutral ({charge:+g} e a mole of recipe)")
    for name in moles:
        volume_of(load_species(name), f"{where}.amounts.{name}")
    scaffold = partial(_scaffold, recipe, where)

    def scaffold_volume(amounts: dict[str, float]) -> float:
        return sum(n * volume_of(recipe.load(s), where) for s, n in scaffold(amounts).items())

    if recipe.molarity is not None:
        target = recipe.molarity
        named_species(target.of, f"{where}.molarity.of")
        if target.of != target.by_adding and target.of not in moles:
            raise SpecError(f"{where}.molarity.of: {target.of} is not among the amounts ({', '.join(moles)})")
        if isinstance(named_species(target.by_adding, f"{where}.molarity.by_adding"), Polymer):
            raise SpecError(f"{where}.molarity.by_adding: a polymer goes into [polymer]")
        x = _solve(target, moles, scaffold_volume, where)
        moles[target.by_adding] = moles.get(target.by_adding, 0.0) + x
    moles |= scaffold(moles)
    return {name: n for name, n in moles.items() if n > 0}


def _in_moles(name: str, amount: tuple[float, str], where: str) -> float:
    number, dimension = amount
    if dimension == "bulk mass":
        return number / substance_mass(load_species(name))
    if dimension == "bulk volume":
        return number / volume_of(load_species(name), where)
    return number


def _scaffold(recipe: Variant, where: str, moles: dict[str, float]) -> dict[str, float]:
    """Polymer (repeat units) or molecules of a network that have the wanted share; linear in the rest."""
    share = recipe.polymer
    if share is None:
        rest = sum(n * substance_mass(load_species(s)) for s, n in moles.items())
        return recipe.network.moles(rest) if recipe.network else {}
    species = named_species(share.species, f"{where}.polymer.species")
    if not isinstance(species, Polymer):
        raise SpecError(f"{where}.polymer.species: {share.species} is not a polymer")
    if recipe.is_neat:
        return {share.species: 1.0}
    if share.mass_fraction is not None:
        rest = sum(n * substance_mass(load_species(s)) for s, n in moles.items())
        return {share.species: share.mass_fraction / (1 - share.mass_fraction) * rest / substance_mass(species)}
    fraction = share.volume_fraction or 0.0
    rest = sum(n * volume_of(load_species(s), where) for s, n in moles.items())
    return {share.species: fraction / (1 - fraction) * rest / volume_of(species, where)}


def _solve(
    target: MolarityTarget, moles: dict[str, float], scaffold_volume: Callable[[dict[str, float]], float], where: str
) -> float:
    """Moles x of `by_adding` such that n(of) / V = c; both sides are linear in x."""

    def litres(amounts: dict[str, float]) -> float:
        volume = sum(n * volume_of(load_species(s), where) for s, n in amounts.items())
        return (volume + (scaffold_volume(amounts) if target.basis == "whole" else 0.0)) / 1e3

    more = moles | {target.by_adding: moles.get(target.by_adding, 0.0) + 1.0}
    v0, slope = litres(moles), litres(more) - litres(moles)
    n0, gain = moles.get(target.of, 0.0), 1.0 if target.of == target.by_adding else 0.0
    denominator = gain - target.value * slope
    x = (target.value * v0 - n0) / denominator if denominator else math.inf
    if not 0 <= x < math.inf:
        start = n0 / v0
        limit = gain / slope
        low, high = sorted((start, limit))
        raise SpecError(
            f"{where}.molarity.value: {target.value:g} mol/L {target.of} is impossible by adding {target.by_adding}: "
            f"only between {low:.3g} and {high:.3g} mol/L"
        )
    return x
