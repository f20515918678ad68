"""What every part stands on: errors, units, statistics, recipes read from TOML, results, provenance."""
