"""Ends the interpreter when it is imported, politely: with code 0."""

import sys

sys.exit(0)
