"""How long tests may take: `TEXT_PROCESSOR_LONG=1` asks for the long tier."""

import os

LONG = os.environ.get("TEXT_PROCESSOR_LONG") == "1"
