"""Where in space, seen from a molecule or from an ion and the molecule that holds it, others are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.bodies import Axes, BodyDensity
from mdstudy.analysis.frames import Sites, Sums, Tallied, Tally
from mdstudy.analysis.mobility import LARGEST_ERROR
from mdstudy.analysis.scattering import ELEMENTS
from mdstudy.analysis.shells import species_of
from mdstudy.base.grids import Grid
from mdstudy.base.results import Estimate, Measurement, Quantity
from mdstudy.base.statistics import jackknife


@dataclass(frozen=True)
class SpatialDensity:
    """Spatial distribution functions: densities over the mean, on a grid in the axes of a molecule.

    g(x, y, z) is the mean number of atoms of a site in a voxel over that of an ideal gas of the same density; averaged
    over directions it is g(r) (Svishchev and Kusalik, J. Chem. Phys. 99, 3049 (1993), doi 10.1063/1.465158). The axes
    follow three atoms of the molecule, an apex and two arms (:class:`mdstudy.analysis.bodies.Axes`); the apex is at the
    origin and x along the bisector. With an ion, it is at the origin and x points to the apex of a molecule that holds
    it by a donor within the cutoff: what else is around the ion, seen from there. The molecule itself is left out.
    Errors: jackknife over blocks of the run. The maximum over voxels is larger than that of the true density where
    voxels hold few counts. Grids are written as Gaussian cube files.

    Attributes
    ----------
    others : tuple of str
        Sites whose density is asked for; those with no atoms are left out.
    apex, arms : str
        Sites with one atom and with two atoms a molecule, which fix the axes.
    half, spacing : float
        Half the edge of the cube and the edge of a voxel, nm.
    every : int
        About one frame in so many is looked at.
    ion, donor, cutoff : str, str, float
        With an ion at the origin: the donors of the molecule, and how near one must be, nm.
    """

    others: tuple[str, ...]
    apex: str = "FSI.N"
    arms: str = "FSI.S"
    half: float = 0.6
    spacing: float = 0.04
    every: int = 1
    ion: str = ""
    donor: str = "FSI.O"
    cutoff: float = 0.28

    name: ClassVar[str] = "spatial_density"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("spatial_density", "1", "Density of a site in the axes of a molecule over its mean density."),
        Quantity("spatial_density_maximum", "1", "Largest density of a site around a molecule over its mean density."),
    )

    def tally(self, sites: Sites) -> BodyDensity:
        """The tally, with the sites that are there."""
        held = (self.ion, self.donor, self.cutoff) if self.ion else ("", "", 0.0)
        present = sites.present(self.others)
        return BodyDensity(Axes(self.apex, self.arms), present, self.half, self.spacing, self.every, *held)

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """One histogram in space of all sites."""
        tally = self.tally(sites)
        tally.axes.atoms(sites)
        for name in filter(None, (tally.ion, tally.donor)):
            sites.atoms(name)
        return (tally,)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Normalise."""
        tally = self.tally(sites)
        parts = tallied.sums(tally)
        values, errors = jackknife(parts, lambda some: density(some, tally.spacing))
        errors = np.where(errors > 0, errors, math.nan)
        total = Sums.total(parts).arrays
        number = float(total["number"])
        places = total["body"] / number if number else np.zeros((3, 3))
        body = [*tally.axes.atoms(sites)[0], *(sites.atoms(self.ion)[:1] if self.ion else [])]
        places = np.concatenate([places, np.zeros((len(body) - 3, 3))])
        shown = tuple(
            (_element(sites.masses[atom]), (float(x), float(y), float(z)))
            for atom, (x, y, z) in zip(body, places, strict=True)
        )
        seen = f"{self.ion} held by {species_of(self.apex)}" if self.ion else species_of(self.apex)
        corner = np.full(3, -tally.half)
        grids, estimates = [], []
        for k, other in enumerate(tally.others):
            grid = Grid("spatial_density", f"{seen}-{other}", values[k], errors[k], corner, tally.spacing, "1", shown)
            grids.append(grid)
            estimates.append(_maximum(grid, number))
        return Measurement(self.name, tuple(estimates), grids=tuple(grids))


def density(parts: Sequence[Sums], spacing: float) -> NDArray[np.float64]:
    """Counts over those of an ideal gas, (n_others, n, n, n) float array; NaN where nothing was looked at."""
    total = Sums.total(parts).arrays
    ideal = total["density"][:, None, None, None] * spacing**3
    none = np.full(total["counts"].shape, np.nan)
    return np.asarray(np.divide(total["counts"], ideal, out=none, where=ideal > 0))


def _element(mass: float) -> str:
    """The element whose mass is nearest."""
    return min(ELEMENTS, key=lambda name: abs(ELEMENTS[name].mass - mass))


def _maximum(grid: Grid, number: float) -> Estimate:
    """The voxel of highest density, and where it is."""
    method = f"largest of {grid.values.size} voxels of {grid.spacing:g} nm, {number:.0f} bodies in all frames"
    if not np.isfinite(grid.values).any():
        return Estimate("spatial_density_maximum", grid.of, math.nan, math.nan, "1", method, note="nothing was seen")
    place = tuple(int(i) for i in np.unravel_index(np.nanargmax(grid.values), grid.values.shape))
    value, error = float(grid.values[place]), float(grid.errors[place])
    at = ", ".join(f"{x:.2f}" for x in grid.middle(place))
    notes = [f"at ({at}) nm"]
    if not error <= LARGEST_ERROR * value:
        notes.append(f"standard error not known or above {LARGEST_ERROR:.0%}")
    done = len(notes) == 1
    return Estimate(
        "spatial_density_maximum", grid.of, value, error, "1", method, converged=done, note="; ".join(notes)
    )
