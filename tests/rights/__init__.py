"""Who may see what, by every way in: the declared rule in plain Python against what real requests show."""
