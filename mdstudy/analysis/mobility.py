"""How species move in a pass: each molecule for itself, all molecules of a species together, and whether that is known.

Derived once from the centres of mass and shared by all observables of transport.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.collective import CollectiveFit, fit_collective, frame_matrix
from mdstudy.analysis.displacement import LONGEST, DiffusionFit, fit_displacement, mean_squared_displacement
from mdstudy.analysis.frames import Centres, Series, Sites, Tallied, Tally
from mdstudy.analysis.volumes import CellVolumes, molecular_volumes, radii_of
from mdstudy.base.errors import TrajectoryError, did_you_mean

#: A transport coefficient is called converged when its standard error is at most this share of it ...
LARGEST_ERROR = 0.2
#: ... and the mean-squared displacement at the end of the fit is beyond the size of a molecule, nm^2.
LEAST_MSD = 0.25
TOO_FEW = "too few frames for a fit"


def even_interval(series: Series) -> float:
    """Time between frames, ps.

    Raises
    ------
    TrajectoryError
        The frames are not evenly spaced in time.
    """
    steps = np.diff(series.times)
    if len(steps) == 0:
        raise TrajectoryError("one frame has no displacement")
    if steps.min() <= 0 or np.ptp(steps) > 1e-3 * steps.mean():
        raise TrajectoryError(
            f"frames are not evenly spaced: between {steps.min():g} and {steps.max():g} ps apart; "
            "displacements need equal steps"
        )
    return float(steps.mean())


def displacement_of(species: str, tallied: Tallied, sites: Sites) -> NDArray[np.float64]:
    """Mean-squared displacement of a species at all lags, (n_frames,) float array, nm^2."""

    def msd() -> NDArray[np.float64]:
        return mean_squared_displacement(tallied.series(Centres()).arrays["centres"][:, sites.species[species]])

    return tallied.once(("displacement", species), msd)


def diffusion_fits(tallied: Tallied, sites: Sites, species: Sequence[str] = ()) -> Mapping[str, DiffusionFit | None]:
    """Fit of each species, or of some; None where there are too few frames."""
    interval = even_interval(tallied.series(Centres()))

    def fit(name: str) -> DiffusionFit | None:
        return fit_displacement(displacement_of(name, tallied, sites), len(sites.species[name]), interval)

    return {name: tallied.once(("diffusion fit", name), partial(fit, name)) for name in species or sites.species}


def verdict(fit: DiffusionFit | None) -> tuple[bool, str]:
    """Whether a diffusion coefficient is converged, and why not."""
    if fit is None:
        return False, TOO_FEW
    faults = []
    if not fit.diffusive:
        faults.append(
            f"not diffusive: exponent {fit.exponent:.2f} ± {fit.exponent_error:.2f}, quality {fit.quality:.2g}"
        )
    reached = fit.intercept + fit.slope * fit.end
    if reached < LEAST_MSD:
        faults.append(f"displaced by {math.sqrt(max(reached, 0)):.2f} nm only, less than the size of a molecule")
    if fit.slope <= 0 or fit.slope_error > LARGEST_ERROR * fit.slope:
        faults.append(f"standard error above {LARGEST_ERROR:.0%}")
    return not faults, "; ".join(faults)


def collective_fit(tallied: Tallied, sites: Sites) -> CollectiveFit | None:
    """Fit of the collective displacements of all species, barycentric frame; None where there are too few frames.

    The window starts where the slowest species becomes diffusive: the motion of single molecules, of which there are
    many, tells that much better than the one collective path does.
    """

    def fit() -> CollectiveFit | None:
        alone = diffusion_fits(tallied, sites)
        starts = [found.start for found in alone.values() if found is not None and found.slope > 0]
        if not starts:
            return None
        series = tallied.series(Centres())
        interval, centres = even_interval(series), series.arrays["centres"]
        paths = np.stack([centres[:, m].sum(axis=1, dtype=float) for m in sites.species.values()], axis=1)
        longest = int(LONGEST * len(paths))
        return fit_collective(paths, interval, min(round(max(starts) / interval), longest // 4 or 1))

    return tallied.once("collective fit", fit)


def charges(sites: Sites) -> dict[str, int]:
    """Formal charge of each species of the trajectory, 0 for neutral ones.

    Raises
    ------
    TrajectoryError
        The charge of a species is not known, or all charges do not add up to zero: the current of some of the ions
        depends on the frame of reference and is no conductivity.
    """
    unknown = [name for name in sites.species if name not in sites.formal_charge]
    if unknown:
        raise TrajectoryError(f"transport of charge: the charge of {', '.join(unknown)} is not known")
    charge = {name: sites.formal_charge[name] for name in sites.species}
    if total := sum(z * len(sites.species[name]) for name, z in charge.items()):
        shown = ", ".join(f"{len(sites.species[name])} {name} of charge {z:+d}" for name, z in charge.items())
        raise TrajectoryError(
            f"transport of charge: {shown} make {total:+d} e: ions are missing from the trajectory or charges are wrong"
        )
    return charge


def frame_tallies(sites: Sites, frames: Sequence[str], volumes: Mapping[str, float]) -> tuple[Tally, ...]:
    """What displacements of species in named frames of reference are made of.

    Parameters
    ----------
    frames : sequence of str
        As for :func:`reference_frame`.
    volumes : mapping of str to float
        Partial molecular volumes; without any, the volume-fixed frame takes those of radical cells.

    Raises
    ------
    TrajectoryError
        No such frame, a volume is missing, or atoms have no radius by which it could be found.
    """
    known = volumes or dict.fromkeys(sites.species, 1.0)
    for frame in frames:
        reference_frame(sites, frame, known)
    if "volume-fixed" not in frames or volumes:
        return (Centres(),)
    radii_of(sites.masses)
    return (Centres(), CellVolumes())


def frame_matrices(
    tallied: Tallied, sites: Sites, frames: Sequence[str], volumes: Mapping[str, float]
) -> dict[str, NDArray[np.float64]]:
    """Matrix of each frame of reference; parameters of :func:`frame_tallies`.

    A frame whose volumes are not known, since none of the frames in time was tessellated, is left out.
    """
    if "volume-fixed" in frames and not volumes:
        volumes = molecular_volumes(tallied, sites, CellVolumes())
    lost = {"volume-fixed"} if any(map(math.isnan, volumes.values())) else set()
    return {frame: reference_frame(sites, frame, volumes) for frame in frames if frame not in lost}


def frame_text(frame: str, volumes: Mapping[str, float]) -> str:
    """A frame of reference in words, with where its volumes are from."""
    source = "volumes as given" if volumes else "volumes of radical cells"
    return f"{frame} frame ({source})" if frame == "volume-fixed" else f"{frame} frame"


def reference_frame(sites: Sites, frame: str, volumes: Mapping[str, float]) -> NDArray[np.float64]:
    """Matrix that takes collective displacements of the species to a named frame of reference.

    Parameters
    ----------
    frame : str
        ``"barycentric"``, ``"SPECIES-fixed"`` or ``"volume-fixed"``.
    volumes : mapping of str to float
        Partial molecular volume of each species, any unit; needed for the volume-fixed frame only.

    Returns
    -------
    (n_species, n_species) float array
        See :func:`mdstudy.analysis.collective.frame_matrix`.

    Raises
    ------
    TrajectoryError
        No such frame, or a volume is missing.
    """
    numbers = [len(molecules) for molecules in sites.species.values()]
    if frame == "barycentric":
        share = [float(sites.molecule_masses[molecules].sum()) for molecules in sites.species.values()]
    elif frame == "volume-fixed":
        missing = [name for name in sites.species if name not in volumes]
        if missing:
            raise TrajectoryError(f"volume-fixed frame: no partial volume of {', '.join(missing)}")
        share = [n * volumes[name] for n, name in zip(numbers, sites.species, strict=True)]
    else:
        known = ["barycentric", "volume-fixed", *(f"{name}-fixed" for name in sites.species)]
        if frame not in known:
            raise TrajectoryError(f'"{frame}": no such frame of reference.{did_you_mean(frame, known)}')
        share = [float(frame == f"{name}-fixed") for name in sites.species]
    return frame_matrix(numbers, share)


def collective_faults(fit: CollectiveFit, tallied: Tallied, sites: Sites, charge: NDArray[np.float64]) -> list[str]:
    """Why coefficients of collective motion cannot be trusted, other than by the size of their errors.

    Parameters
    ----------
    charge : (n_species,) float array
        Formal charges: the charge displacement is judged together with the motion of single molecules.
    """
    faults = []
    for name, alone in diffusion_fits(tallied, sites).items():
        if alone is not None and not alone.diffusive:
            faults.append(f"{name} is not diffusive")
        elif alone is not None and alone.intercept + alone.slope * alone.end < LEAST_MSD:
            faults.append(f"{name} has moved less than the size of a molecule")
    if charge.any() and not fit.line(charge).diffusive:
        faults.append("the charge displacement is not diffusive")
    return faults
