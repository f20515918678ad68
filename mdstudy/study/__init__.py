"""Several runs as one answer: studies, measured values, comparison, tables, figures, the report."""
