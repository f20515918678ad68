"""What a system file says: variants, each a composition as a chemist gives it."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mdstudy.base.spec import Molarity, Spec, Temperature
from mdstudy.base.units import UNITS, parse
from mdstudy.system.gel import Network
from mdstudy.system.species import Species, load_species


def _amount(value: object) -> tuple[float, str]:
    """("mol" | "g" | "mL" worth of a number) from text such as "2 mol" or "1 kg"."""
    dimensions = ("amount", "bulk mass", "bulk volume")
    for dimension in dimensions:
        with suppress(ValueError):
            number = parse(value, dimension)
            break
    else:
        units = ", ".join(unit for dimension in dimensions for unit in UNITS[dimension])
        raise ValueError(f'{value!r}: an amount needs a number and its unit ({units}), for example "1 mol"')
    if number < 0:
        raise ValueError(f"{value!r}: an amount cannot be negative")
    return number, dimension


Amount = Annotated[tuple[float, str], BeforeValidator(_amount)]


class MolarityTarget(Spec):
    """Bring `of` to `value` by adding more of one substance."""

    of: str
    value: Annotated[Molarity, Field(gt=0)]
    by_adding: str
    basis: Literal["liquid", "whole"] = Field(
        "liquid", description="volume that the molarity counts: with or without polymer"
    )


class PolymerShare(Spec):
    """Polymer in the box, by its share of the whole."""

    species: str
    mass_fraction: float | None = Field(None, ge=0, le=1, description="1 for the neat polymer")
    volume_fraction: float | None = Field(None, ge=0, lt=1)
    length: int = Field(10, ge=2, description="repeat units a chain, on average where chains differ")
    dispersity: float = Field(1.0, ge=1, le=10, description="mass over number average of the lengths; 1: all equal")
    tacticity: Literal["isotactic", "syndiotactic", "atactic"] = "syndiotactic"
    racemo_fraction: float = Field(0.5, ge=0, le=1, description="of the dyads of an atactic chain, at random")

    @model_validator(mode="after")
    def _one_share(self) -> PolymerShare:
        if (self.mass_fraction is None) == (self.volume_fraction is None):
            raise ValueError("give either mass_fraction or volume_fraction")
        return self


class Variant(Spec):
    """One composition hypothesis."""

    assumption: str = Field(min_length=1)
    amounts: dict[str, Amount] = Field({}, description="nothing beside a neat polymer")
    molarity: MolarityTarget | None = None
    polymer: PolymerShare | None = None
    network: Network | None = None

    @model_validator(mode="after")
    def _one_scaffold(self) -> Variant:
        if self.polymer is not None and self.network is not None:
            raise ValueError("give either polymer or network")
        return self

    @model_validator(mode="after")
    def _something_or_neat(self) -> Variant:
        if self.is_neat and (self.amounts or self.molarity):
            raise ValueError("a mass_fraction of 1 leaves no room for amounts and molarity")
        if not (self.is_neat or self.amounts):
            raise ValueError("amounts: say what is weighed in, or polymer.mass_fraction = 1 for the neat polymer")
        return self

    @property
    def is_neat(self) -> bool:
        """Whether all of it is polymer, or network."""
        return any(share is not None and share.mass_fraction == 1 for share in (self.polymer, self.network))

    def load(self, name: str) -> Species:
        """A species of the recipe, a crosslinker with its number of units."""
        return load_species(name) if self.network is None else self.network.load(name)

    def is_scaffold(self, name: str) -> bool:
        """Whether a substance is of the polymer or of the network."""
        return name == (self.polymer and self.polymer.species) or bool(self.network and name in self.network.species)


class SystemSpec(Spec):
    """What a system file says."""

    title: str
    default_variant: str
    temperature: Temperature = Field("298.15 K", validate_default=True)
    variants: dict[str, Variant] = Field(min_length=1)

    @model_validator(mode="after")
    def _default_exists(self) -> SystemSpec:
        if self.default_variant not in self.variants:
            raise ValueError(
                f'default_variant "{self.default_variant}" is not among the variants {", ".join(self.variants)}'
            )
        return self
