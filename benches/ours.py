"""ours.py JOB IN OUT [WORKERS]: the jobs of the comparison as a user of the library would write them.

The Python functions are the very ones that the peers run: the module `steps` in the folder of peers.
"""

import sys
from collections.abc import Callable

import steps

from text_processor import Pipeline


def _replacements() -> list[object]:
    import redact_rules  # noqa: PLC0415 - only the folder of peers has it, and only one job needs it.

    return [
        ("replace", {"pattern": redact_rules.EMAIL, "replacement": redact_rules.EMAIL_TO}),
        ("replace", {"pattern": redact_rules.IP, "replacement": redact_rules.IP_TO}),
    ]


JOBS: dict[str, Callable[[], list[object]]] = {
    "article": lambda: steps.CHAINS["article"],
    "noop": lambda: steps.CHAINS["noop"],
    "copy": list,
    "plugins": lambda: ["trim-lines", "reverse", "capitalize"],
    "trim": lambda: ["trim-lines"],
    "clean": lambda: ["normalize-unicode", "strip-control", "collapse-whitespace", "trim"],
    "redact": lambda: [("redact", {"entities": ["email", "ipv4"]})],
    "replace": _replacements,
}


def main() -> None:
    """Run a job."""
    job, source, target, *workers = sys.argv[1:]
    options = {"workers": int(workers[0])} if workers else {}
    report = Pipeline(JOBS[job]()).run(source, target, overwrite=True, **options)
    print(report)


main()
