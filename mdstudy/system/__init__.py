"""From a recipe to a box: molecules, compositions, packing, force fields, protocols."""
