"""Claims of papers as data, and their verdicts from records. Imports no torch; only measuring does, when asked for."""
