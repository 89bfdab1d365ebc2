"""Lets `python -m text_processor` do what `text-processor` does."""

import sys

from text_processor._command import main

if __name__ == "__main__":
    sys.exit(main())
