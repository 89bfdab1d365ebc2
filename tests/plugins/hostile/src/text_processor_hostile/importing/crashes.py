"""Crashes when it is imported, as a native module for another machine might."""

import ctypes

ctypes.string_at(0)
