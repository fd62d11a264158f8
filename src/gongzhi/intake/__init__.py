"""Intake 受理: the ways in. What arrives is placed, given a kind and an agency with reasons, and shown beside its likes."""
