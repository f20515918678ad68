"""From a trajectory to tallies: frames, distances, shells, displacements, lifetimes."""
