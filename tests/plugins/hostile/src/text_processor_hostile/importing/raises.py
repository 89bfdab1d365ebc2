"""Raises when it is imported."""

raise ValueError("raised while importing")
