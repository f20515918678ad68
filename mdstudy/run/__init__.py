"""The run engine: plans, run directories, the run step and several of them at once."""
