"""Raises a `KeyboardInterrupt` when it is imported, although nobody pressed Ctrl-C."""

raise KeyboardInterrupt("raised while importing")
