"""Hazards 隐患: rounds, what they find, and how each finding is mended and looked at again."""
