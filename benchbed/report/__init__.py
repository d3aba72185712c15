"""Tables, later plots and pages: from records alone, never from a model. Imports no torch."""
