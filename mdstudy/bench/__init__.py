"""The speed of a run beside a bare OpenMM loop and other programs."""
