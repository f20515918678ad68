"""Viscosity from a periodic perturbation: a box driven by an acceleration that is a cosine in space.

Every atom gets the acceleration a cos(k z) along x, with k = 2 pi n / L_z. A liquid of density d and viscosity eta then flows
with the mean profile V cos(k z); the friction g of a Langevin thermostat takes momentum from every atom alike, so that
to linear order (Hess, J. Chem. Phys. 116, 209 (2002), doi 10.1063/1.1421362, without friction)::

    V = a / (eta k^2 / d + g),    eta = (a / V - g) d / k^2

The amplitude V = 2 sum(m v_x cos(k z)) / sum(m) is summed at every step, with velocities and positions of the middle of the
step: it decorrelates within d / (eta k^2), some 10 fs for an ionic liquid, and rarer samples would throw most of it away.

It is a run of its own, not at equilibrium: nothing but the viscosity (and the heating, see the temperature in
``state.csv``) is to be taken from it. The result is that of a finite k, eta(k) = eta(0) (1 - c k^2), and of a finite shear rate k V: it
needs k small against molecules and k V small against the slowest relaxation; smaller `acceleration` or larger boxes show it.

A segment of production with an `acceleration` holds ``profile.csv``: a row every `report_interval` steps, on the clock of
``state.csv``, and the columns of :data:`COLUMNS`:

- ``step``, ``time_ps``: end of the interval, since the start of production, over all segments;
- ``velocity_nm_per_ps``: mean of V over the steps of the interval;
- ``acceleration_nm_per_ps2``, ``wavenumber_per_nm``, ``friction_per_ps``, ``density_g_per_cm3``: a, k, g and d, the same in all rows.

The profile builds up within a few times 1 / (eta k^2 / d + g): leave out the first rows of the first segment.
"""

from __future__ import annotations

#: Columns of ``profile.csv``.
COLUMNS = (
    "step",
    "time_ps",
    "velocity_nm_per_ps",
    "acceleration_nm_per_ps2",
    "wavenumber_per_nm",
    "friction_per_ps",
    "density_g_per_cm3",
)
