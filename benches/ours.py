"""ours.py JOB IN OUT WORKERS: the jobs of the comparison that need the library and not the command.

The Python functions and the patterns are the very ones of the peers: the modules `steps` and `redact_rules` in their
folder.
"""

import sys
from collections.abc import Callable

import redact_rules
import steps

from text_processor import Pipeline

JOBS: dict[str, Callable[[], list[object]]] = {
    "functions": lambda: steps.CHAINS["article"],
    "replace": lambda: [
        ("replace", {"pattern": redact_rules.EMAIL, "replacement": redact_rules.EMAIL_TO}),
        ("replace", {"pattern": redact_rules.IP, "replacement": redact_rules.IP_TO}),
    ],
}


def main() -> None:
    """Run a job."""
    job, source, target, workers = sys.argv[1:]
    print(Pipeline(JOBS[job]()).run(source, target, overwrite=True, workers=int(workers)))


main()
