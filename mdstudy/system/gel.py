"""What is polymerised in a box: monomer, crosslinker and initiated monomer, by their share of the whole."""

from __future__ import annotations

from pydantic import Field, model_validator

from mdstudy.base.errors import SpecError
from mdstudy.base.spec import Length, Spec, Temperature
from mdstudy.system.species import (
    Crosslinker,
    Molecule,
    Species,
    all_species,
    load_species,
    named_species,
    substance_mass,
)


class Network(Spec):
    """A network that is grown in its solvent, or of monomer alone."""

    monomer: str = "MMA"
    initiated: str = Field("MIB", description="monomer with the caps of both ends: a chain of one unit")
    crosslinker: str = "PEGDMA"
    crosslinker_units: int = Field(ge=1, description="repeat units of a crosslinker")
    crosslinker_fraction: float = Field(ge=0, lt=1, description="of the molecules that are monomer or crosslinker")
    mass_fraction: float = Field(
        gt=0, le=1, description="of monomer, initiated monomer and crosslinker in the whole; 1 for the neat network"
    )
    chain_length: float = Field(gt=1, description="C=C in the box for each chain that is begun")
    conversion: float = Field(gt=0, le=1, description="share of the C=C that react")
    racemo_fraction: float = Field(ge=0, le=1, description="probability that two neighbours are a racemo dyad")
    capture_radius: Length = Field(gt=0, description="how far the end of a chain looks for a C=C at first")
    capture_limit: Length = Field(gt=0, description="how far it looks at most")
    temperature: Temperature = Field(description="of the polymerisation")

    @model_validator(mode="after")
    def _radii(self) -> Network:
        if self.capture_limit < self.capture_radius:
            raise ValueError(f"capture_limit of {self.capture_limit:g} nm is below capture_radius")
        return self

    @property
    def species(self) -> tuple[str, str, str]:
        """Monomer, initiated monomer, crosslinker."""
        return self.monomer, self.initiated, self.crosslinker

    @property
    def is_neat(self) -> bool:
        """Whether there is nothing beside it."""
        return self.mass_fraction == 1

    def load(self, name: str) -> Species:
        """A species, a crosslinker with its number of units."""
        species = load_species(name)
        units = {"units": self.crosslinker_units}
        return species.model_copy(update=units) if isinstance(species, Crosslinker) else species

    def check(self, where: str) -> None:
        """Check that all three can do what they are for.

        Raises
        ------
        SpecError
            A monomer or crosslinker without a C=C that reacts, or an initiated monomer that is no chain of one unit;
            names the field.
        """
        monomer, initiated, crosslinker = (named_species(name, f"{where}.{field}") for field, name in self._fields())
        if not isinstance(monomer, Molecule) or monomer.states.keys() != {"initiated", "head", "unit", "tail"}:
            able = [name for name, s in all_species().items() if isinstance(s, Molecule) and s.states]
            raise SpecError(f"{where}.monomer: {self.monomer} has no C=C that reacts; these do: {', '.join(able)}")
        if not isinstance(initiated, Molecule) or initiated.residue != monomer.states["initiated"]:
            raise SpecError(f"{where}.initiated: {self.initiated} is no chain of one unit of {self.monomer}")
        if not isinstance(crosslinker, Crosslinker):
            able = [name for name, s in all_species().items() if isinstance(s, Crosslinker)]
            raise SpecError(
                f"{where}.crosslinker: {self.crosslinker} does not have two C=C that react; these do: {', '.join(able)}"
            )

    def _fields(self) -> list[tuple[str, str]]:
        return [(field, getattr(self, field)) for field in ("monomer", "initiated", "crosslinker")]

    def moles(self, rest: float) -> dict[str, float]:
        """Moles of the three beside `rest` grams of everything else, to a factor if neat; those that are not zero."""
        monomer, initiated, crosslinker = self._masses()
        # Beside a mole of monomer, initiated or not, x / (1 - x) of crosslinker: one C=C, and two for each of those.
        ratio = self.crosslinker_fraction / (1 - self.crosslinker_fraction)
        begun = (1 + 2 * ratio) / self.chain_length
        mass = 1.0 if self.is_neat else self._mass(rest)
        total = mass / ((1 - begun) * monomer + begun * initiated + ratio * crosslinker)
        found = dict(zip(self.species, ((1 - begun) * total, begun * total, ratio * total), strict=True))
        return {name: n for name, n in found.items() if n}

    def whole(self, exact: dict[str, float], rest: float, where: str) -> dict[str, float]:
        """Whole molecules near `exact`: at least one chain and one crosslinker, and monomer for the rest of the mass.

        Raises
        ------
        SpecError
            The box is too small for that.
        """
        monomer, initiated, crosslinker = self._masses()
        chains = max(1, round(exact[self.initiated]))
        crosslinkers = max(1, round(exact[self.crosslinker])) if self.crosslinker in exact else 0
        own = sum(n * substance_mass(self.load(name)) for name, n in exact.items())
        mass = own if self.is_neat else self._mass(rest)
        monomers = round((mass - chains * initiated - crosslinkers * crosslinker) / monomer)
        if monomers < 1:
            least = (chains * initiated + crosslinkers * crosslinker + monomer) / mass
            raise SpecError(
                f"{where}: the box is too small for one chain and its crosslinker; take {least:.1f} times the atoms"
            )
        found = dict(zip(self.species, map(float, (monomers, chains, crosslinkers)), strict=True))
        return {name: n for name, n in found.items() if n}

    def _masses(self) -> tuple[float, ...]:
        return tuple(substance_mass(self.load(name)) for name in self.species)

    def _mass(self, rest: float) -> float:
        return self.mass_fraction / (1 - self.mass_fraction) * rest
