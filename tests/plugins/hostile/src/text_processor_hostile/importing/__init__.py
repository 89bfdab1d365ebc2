"""B30: modules that do harm when they are imported."""
