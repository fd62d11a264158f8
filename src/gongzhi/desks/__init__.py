"""The desks: one workspace for each kind of the city's work, independent of each other."""
