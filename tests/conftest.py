"""Fixtures that more than one file of tests uses."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.command import Command
from support.site import Site, hostile_paths

# The same examples each time: a check that fails on one machine must fail on all.
settings.register_profile(
    "quick", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty folder of installed distributions, on `sys.path`. Modules imported from it are forgotten afterwards."""
    made = Site(tmp_path_factory.mktemp("site-packages"))
    before = set(sys.modules)
    monkeypatch.syspath_prepend(made.folder)
    yield made
    for name in set(sys.modules) - before:
        if str(made.folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def hostile(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The package of hostile steps, installed. Its modules are imported anew by each test, and forgotten afterwards."""
    paths = hostile_paths(site)
    for path in paths:
        monkeypatch.syspath_prepend(path)
    yield paths
    for name in [name for name in sys.modules if name.partition(".")[0] == "text_processor_hostile"]:
        del sys.modules[name]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command, run in an empty folder, where no plugin but the installed ones can be found."""
    return Command(tmp_path)


@pytest.fixture
def hostile_command(tmp_path: Path, hostile: list[Path]) -> Command:
    """The command, where the package of hostile steps is installed."""
    return Command(tmp_path, hostile)
