"""Routing that learns from what people decided: from labelled messages to a model file, its scores, and reasons for a choice.

A model is linear over character groups of title and text, so that what it says of a text can be taken apart into the
text's own words. Its file holds numbers and labels, no text and no code (``model``). Training needs scikit-learn, which
nothing else loads; proposing needs numpy alone. What was tried, and what each gave: ``docs/routing.md``.
"""
