"""A run for other programs: GROMACS, LAMMPS, AMBER."""
