"""Not the standard library's."""

raise ImportError("the plugin's own json.py was imported")
