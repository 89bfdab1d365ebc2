"""Wants to end the process when it is imported, and to look successful."""

import sys

sys.exit(0)
