"""Cities: data packs, one folder each. No code of the platform knows one of them by name."""

DEFAULT = "huaian"
"""The pack of an installation that has never been told another one."""
