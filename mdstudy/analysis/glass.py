"""The glass transition from the density of a polymer that is cooled in steps.

A hyperbola goes through density against temperature (Patrone et al., Polymer 87, 246 (2016), doi
10.1016/j.polymer.2016.01.074):

    rho(T) = rho_0 - a (T - T_g) - b [(T - T_g)/2 + sqrt((T - T_g)^2/4 + w^2)]

with slope -a in the glass and -(a + b) in the melt; T_g is where the two lines meet and w how wide the bend is. For
given T_g and w it is linear in the rest, which is solved by weighted least squares; T_g and w are searched on a grid.
Errors are those of a parametric bootstrap: the fit with new noise, of the errors of the densities or of the scatter
about the fit where that is larger.

A simulation cools a billion times faster than a calorimeter, and freezes at a higher temperature. By the equation of
Williams, Landel and Ferry (J. Am. Chem. Soc. 77, 3701 (1955), doi 10.1021/ja01619a008) with its universal constants T_g
rises by 51.6/17.44 = 3 K a decade near the measured one, and faster the more decades there are. The note of the number
has the rise that it expects; nothing is corrected by it. How T_g of a simulated melt follows the rate: Buchholz et al.,
J. Chem. Phys. 117, 7364 (2002), doi 10.1063/1.1508366.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.thermodynamics import log_estimates
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity, find
from mdstudy.run.plan import Plan, Stage
from mdstudy.run.rundir import RunDir

QUANTITIES = (
    Quantity("glass_transition_temperature", "K", "Where the lines of density in glass and melt meet, on cooling."),
    Quantity("thermal_expansion", "1/K", "Thermal expansion coefficient at constant pressure, -(d ln density / dT)."),
    Quantity("density_on_cooling", "g/cm^3", "Mass density at the temperatures at which the box was held on cooling."),
)

#: Temperatures that a fit of five parameters needs at least.
MIN_PLATEAUS = 8
#: Draws of the bootstrap.
DRAWS = 200
#: The slope has reached that of a branch where the difference is below this share of the change.
_REACHED = 0.1
#: Constants of Williams, Landel and Ferry (the second in K), and the rate of a calorimeter, 10 K/min, in K/ps.
_C1, _C2, _CALORIMETER = 17.44, 51.6, 10 / 60e12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hyperbola:
    """Density against temperature.

    Attributes
    ----------
    transition, width : float
        T_g and w, K.
    density : float
        Of the point where the lines meet.
    glass, melt : float
        Slopes -a and -(a + b), per K.
    """

    transition: float
    width: float
    density: float
    glass: float
    melt: float

    def __call__(self, temperature: Floats) -> Floats:
        """Density at temperatures."""
        values = np.array([self.density, -self.glass, self.glass - self.melt])
        return np.asarray(_design(temperature, self.transition, self.width) @ values)

    def reaches(self, temperature: float) -> bool:
        """Whether the slope at a temperature is that of its branch."""
        away = abs(temperature - self.transition)
        return 0.5 - 0.25 * away / math.hypot(away / 2, self.width) < _REACHED


def _design(temperature: Floats, transition: float, width: float) -> Floats:
    apart = temperature - transition
    bend = apart / 2 + np.sqrt(apart**2 / 4 + width**2)
    return np.stack([np.ones_like(apart), -apart, -bend], axis=1)


def fits(temperature: Floats, densities: Floats, weights: Floats) -> list[Hyperbola]:
    """Hyperbola of least squares through each of many curves, T_g to within 1/800 of the range of temperature.

    Parameters
    ----------
    temperature : (n,) float array
        K.
    densities : (m, n) float array
    weights : (n,) float array
        Inverse standard errors, to a common factor.
    """
    ordered = np.sort(temperature)
    transitions = np.linspace(ordered[1], ordered[-2], 400)
    widths = np.geomspace(1e-3, 0.25, 12) * np.ptp(ordered)
    grid = np.stack(np.meshgrid(transitions, widths, indexing="ij"), axis=-1).reshape(-1, 2)
    basis, triangle = np.linalg.qr(np.stack([_design(temperature, *point) for point in grid]) * weights[:, None])
    seen = np.einsum("pnk,mn->pmk", basis, densities * weights)  # the longer, the less is left over
    best = np.argmax((seen**2).sum(axis=2), axis=0)
    made = []
    for point, curve in zip(best, range(len(densities)), strict=True):
        rho, a, b = np.linalg.solve(triangle[point], seen[point, curve])
        made.append(Hyperbola(*map(float, (*grid[point], rho, -a, -a - b))))
    return made


def glass_transition(temperature: Floats, density: Floats, error: Floats, rate: float, seed: int = 0) -> Measurement:
    """Glass transition and thermal expansion of glass and melt.

    Parameters
    ----------
    temperature : (n,) float array
        K; at least :data:`MIN_PLATEAUS`.
    density, error : (n,) float array
        Densities and their standard errors (NaN: not known), g/cm^3.
    rate : float
        Of cooling, K/ps.
    seed : int
        Of the bootstrap.
    """
    known = bool((error > 0).all())
    weights = 1 / error if known else np.ones_like(density)
    best = fits(temperature, density[None], weights)[0]
    scatter = float((((density - best(temperature)) * weights) ** 2).sum() / (len(density) - 5))
    noise = math.sqrt(max(scatter, 1.0) if known else scatter) / weights
    rng = np.random.default_rng(seed)
    draws = fits(temperature, best(temperature) + noise * rng.normal(size=(DRAWS, len(noise))), weights)
    bend = float(np.std([d.melt - d.glass for d in draws], ddof=1))
    reached = best.reaches(float(temperature.min())) and best.reaches(float(temperature.max()))
    distinct = best.glass - best.melt > 2 * bend
    faults = [] if reached else ["a branch does not reach its slope"]
    faults += [] if distinct else ["the slopes differ by less than two standard errors"]
    method = f"hyperbola through {len(density)} temperatures, cooled at {1e3 * rate:.3g} K/ns; bootstrap of {DRAWS}"
    note = "; ".join([*faults, _expected(rate)])

    def estimate(quantity: str, of: str, unit: str, value: float, values: list[float]) -> Estimate:
        spread = float(np.std(values, ddof=1))
        return Estimate(quantity, of, value, spread, unit, method, float(len(density)), not faults, note)

    branches = (("glass", -best.glass, [-d.glass for d in draws]), ("melt", -best.melt, [-d.melt for d in draws]))
    estimates = [
        estimate("glass_transition_temperature", "box", "K", best.transition, [d.transition for d in draws]),
        *(
            estimate("thermal_expansion", of, "1/K", v / best.density, [one / best.density for one in many])
            for of, v, many in branches
        ),
    ]
    curve = Curve("density_on_cooling", "box", temperature, density, error, "temperature", "K", "g/cm^3")
    return Measurement("glass_transition", tuple(estimates), (curve,))


def rise(rate: float) -> float:
    """How far above that of a calorimeter (10 K/min) T_g is to be expected, K; infinite beyond the reach of the law.

    From log10(rate / 10 K/min) = C1 dT / (C2 + dT), Williams, Landel and Ferry, doi 10.1021/ja01619a008.

    Parameters
    ----------
    rate : float
        Of cooling, K/ps.
    """
    decades = math.log10(rate / _CALORIMETER)
    return _C2 * decades / (_C1 - decades) if decades < _C1 else math.inf


def _expected(rate: float) -> str:
    decades = math.log10(rate / _CALORIMETER)
    return (
        f"cooled {decades:.1f} decades faster than by 10 K/min; the equation of Williams, Landel and Ferry with "
        f"universal constants lets it rise by {rise(rate):.0f} K"
    )


def cooling(plan: Plan) -> list[Stage]:
    """Stages of a plan at constant temperature and pressure that go down from one to the next, the longest such row."""
    rows: list[list[Stage]] = [[]]
    for stage in plan.stages:
        if stage.kind == "npt" and stage.temperature[0] == stage.temperature[1]:
            falls = bool(rows[-1]) and stage.temperature[1] < rows[-1][-1].temperature[1]
            rows += [] if falls else [[]]
            rows[-1].append(stage)
    return max(rows, key=len)


def measured_on_cooling(run: RunDir) -> Measurement | None:
    """Glass transition of a run that was cooled in steps; None where it was not, or at too few temperatures."""
    plan = run.read_plan()
    held = cooling(plan)
    if len(held) < MIN_PLATEAUS:
        return None
    logs = [log_estimates([run.stage(stage.name) / "state.csv"], "npt", f"stage {stage.name}") for stage in held]
    found = [density for log in logs if (density := find(log, "density", "box"))]
    first, last = plan.stages.index(held[0]), plan.stages.index(held[-1])
    time = sum(stage.steps * stage.timestep for stage in plan.stages[first + 1 : last + 1])
    temperature = np.array([stage.temperature[0] for stage in held])
    return glass_transition(
        temperature,
        np.array([e.value for e in found]),
        np.array([e.error for e in found]),
        float(temperature[0] - temperature[-1]) / time,
    )


def files(run: RunDir) -> list[Path]:
    """Logs that a glass transition is read off."""
    plan = run.read_plan()
    return [run.stage(stage.name) / "state.csv" for stage in cooling(plan)]
