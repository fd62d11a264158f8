"""Cities: data packs, one folder each. No code of the platform knows one of them by name."""
