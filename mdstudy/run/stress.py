"""The shear stress of a box at equilibrium, sampled beside a run.

OpenMM has no virial. The off-diagonal elements of the pressure tensor are the derivative of the energy with respect to
a shear of the box that carries the centres of the molecules along and leaves the molecules rigid, so that constraints
and bonds do no work: the molecular pressure tensor, whose time integrals are those of the atomic one (Cui, Evans and
Ciccotti, Mol. Phys. 82, 835 (1994), doi 10.1080/00268979400100594)::

    P_ab V = sum over molecules of M v_a v_b - dU/de_ab,    x_a -> x_a + e_ab x_b

The derivative is a central difference of two energies of the pair forces in a context of their own; the context that
is integrated is not touched, and its trajectory is the same to the bit with and without. Six energies a sample cost
about seven steps on the CPU platform (docs/performance.md).

A segment of production whose stage has a `stress_interval` holds ``stress.csv``: a row every `stress_interval` steps, on
the clock of ``state.csv`` (the first row at the first multiple), and the columns of :data:`COLUMNS`:

- ``step``, ``time_ps``: since the start of production, over all segments;
- ``volume_nm3``: of the box then;
- ``xy_bar``, ``xz_bar``, ``yz_bar``: off-diagonal elements of the pressure tensor of the whole box, bar, each about
  zero in the mean.

For Green and Kubo, viscosity = V/(kT) times the integral of <P_xy(0) P_xy(t)>. The sampling resolves what is slower than its
interval only: the trapezoid counts C(0)/2 times the interval for what may have decayed long before.
"""

from __future__ import annotations

#: Columns of ``stress.csv``.
COLUMNS = ("step", "time_ps", "volume_nm3", "xy_bar", "xz_bar", "yz_bar")
