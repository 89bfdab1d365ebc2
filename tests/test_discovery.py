"""Discovery: what is found, what becomes a finding, and that nothing is imported."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Command, Site, run_python

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

CANARY = "from pathlib import Path\nPath({path!r}).touch()\n"


class Discovery:
    """What `plugins list` and `plugins doctor` tell, without what the test's own environment has."""

    def __init__(self, command: Command, under: Path) -> None:
        self.command = command
        self.under = str(under)

    def __call__(self) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
        """Return the plugins by name, and the findings."""
        plugins = self.command.json("plugins", "list")["plugins"]
        findings = self.command.json("plugins", "doctor")["findings"]
        return (
            {plugin["name"]: plugin for plugin in plugins if plugin["location"].startswith(self.under)},
            [finding for finding in findings if (finding["path"] or self.under).startswith(self.under)],
        )


@pytest.fixture
def discover(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Discovery:
    return Discovery(command, tmp_path_factory.getbasetemp())


def codes(findings: list[dict[str, Any]]) -> list[str]:
    return [finding["code"] for finding in findings]


def test_a_plugin_is_found_by_its_canonical_name(site: Site, discover: Discovery) -> None:
    info = site.install("Acme.Filters", {"Min_Words": "acme:MinWords"}, version="1.2.0")
    plugins, findings = discover()
    assert plugins == {
        "acme-filters/min-words": {
            "use": "Min_Words",
            "name": "acme-filters/min-words",
            "short_name": "Min_Words",
            "distribution": "Acme.Filters",
            "version": "1.2.0",
            "entry_point": "acme:MinWords",
            "location": str(info),
            "editable": False,
        },
    }
    assert findings == []


def test_discovery_imports_nothing(site: Site, discover: Discovery, tmp_path: Path) -> None:
    canaries = tmp_path / "canaries"
    canaries.mkdir()
    for number in range(50):
        source = CANARY.format(path=str(canaries / str(number)))
        site.install(f"canary-{number}", {"canary": f"canary_{number}:run"}, modules={f"canary_{number}": source})
    plugins, _ = discover()
    assert len(plugins) == 50
    assert list(canaries.iterdir()) == []
    assert not any(name.startswith("canary_") for name in sys.modules)


def test_the_outcome_does_not_depend_on_the_order_of_folders(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = set()
    for number, order in enumerate(
        itertools.permutations([("one", "1"), ("two", "1"), ("three", "1"), ("two", "0.9")])
    ):
        site = Site(tmp_path / str(number))
        # File systems list what they hold by a hash of the names, or by when it was made.
        for name, version in order:
            site.install(name, {"same": f"{name}:run", name: f"{name}:run"}, version=version)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(site.path)
            answers = [command("plugins", answer, "--json").output for answer in ("list", "doctor")]
        outcomes.add("".join(answers).replace(str(site.path), "site"))
    assert len(outcomes) == 1


def test_a_plugin_is_found_without_the_module_that_describes_distributions(site: Site) -> None:
    site.install("acme", {"x": "acme:process"}, modules={"acme": "def process(text): return text.upper()"})
    program = """
        import sys
        from text_processor import Pipeline
        print(Pipeline(["acme/x"]).process("a"), "importlib.metadata" in sys.modules, "email" in sys.modules)
    """
    assert run_python(program, path=[site.path]).output == "A False False\n"


def test_a_pipeline_of_built_ins_looks_for_no_distribution(site: Site) -> None:
    site.install("acme", {"x": "acme:process"}, modules={"acme": "raise SystemExit"})
    program = """
        import sys
        from text_processor import Pipeline
        modules = set(sys.modules)
        print(Pipeline(["trim-lines", "normalize-unicode", ("length", {"minimum": 1})]).process(" a "))
        print("importlib.metadata" in sys.modules, sorted(set(sys.modules) - modules))
    """
    assert run_python(program, path=[site.path]).output == "a\nFalse []\n"


def test_what_is_no_path_on_the_path_is_skipped(
    site: Site, discover: Discovery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("good", {"x": "a:b"})
    (tmp_path / "file.txt").write_text("no archive")
    odd = [3, None, b"bytes", str(tmp_path / "absent"), str(tmp_path / "file.txt"), "a\0b"]
    monkeypatch.setattr(sys, "path", [*odd, *sys.path])
    plugins, findings = discover()
    assert (list(plugins), findings) == (["good/x"], [])


def test_a_folder_that_cannot_be_listed_is_a_finding(
    site: Site, discover: Discovery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("good", {"x": "a:b"})
    endless = tmp_path / "endless"
    endless.symlink_to(endless)
    monkeypatch.syspath_prepend(endless)
    plugins, (finding,) = discover()
    assert list(plugins) == ["good/x"]
    assert (finding["code"], finding["severity"], finding["path"]) == ("unreadable_metadata", "warning", str(endless))


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"[text_processor.plugins]\nx\xff = a:b\n", "unreadable_entry_points"),
        (b"[console_scripts]\nx = \xff\n", "unreadable_entry_points"),
        (b"[text_processor.plugins]\nno reference\n", "malformed_line"),
        (b"[text_processor.plugins]\nx = not a reference\n", "invalid_reference"),
    ],
)
def test_a_broken_file_of_one_package_hides_no_other(site: Site, discover: Discovery, broken: bytes, code: str) -> None:
    good = site.install("good", {"good": "good:run"})
    info = site.install("bad", broken)
    plugins, findings = discover()
    assert plugins["good/good"]["location"] == str(good)
    (finding,) = [finding for finding in findings if finding["code"] == code]
    assert finding["distribution"] == "bad"
    assert finding["path"] == str(info / "entry_points.txt")
    assert finding["line"] is not None


def test_a_byte_order_mark_hides_nothing(site: Site, discover: Discovery) -> None:
    site.install("marked", b"\xef\xbb\xbf[text_processor.plugins]\nx = a:b\n")
    assert list(discover()[0]) == ["marked/x"]


@pytest.mark.parametrize(
    "metadata",
    [b"Metadata-Version: 2.1\nVersion: 1.0\n\n", b"Author: J\xfcrgen\nName: odd\nVersion: 1.0\n\n"],
)
def test_odd_metadata_is_a_finding_and_the_plugin_is_there(site: Site, discover: Discovery, metadata: bytes) -> None:
    info = site.install("odd", {"x": "a:b"}, metadata=metadata)
    plugins, findings = discover()
    assert plugins["odd/x"]["version"] == "1.0"
    assert [(finding["code"], finding["path"]) for finding in findings] == [("unreadable_metadata", str(info))]


@pytest.mark.parametrize(("stale", "good"), [("0.9", "1.0"), ("2.0", "1.0")])
def test_an_empty_dist_info_hides_no_good_one_beside_it(site: Site, discover: Discovery, stale: str, good: str) -> None:
    empty = site.install("upgraded", version=stale, metadata=None)
    whole = site.install("upgraded", {"x": "a:b"}, version=good)
    plugins, findings = discover()
    assert plugins["upgraded/x"]["location"] == str(whole)
    assert [(finding["code"], finding["path"]) for finding in findings] == [("stale_metadata", str(empty))]


def test_of_two_versions_in_one_folder_the_higher_is_used(site: Site, discover: Discovery) -> None:
    site.install("twice", {"x": "old:run"}, version="1.9")
    site.install("twice", {"x": "new:run"}, version="1.10")
    plugins, findings = discover()
    assert plugins["twice/x"]["entry_point"] == "new:run"
    assert codes(findings) == ["duplicate_distribution"]


def test_of_two_folders_the_first_on_the_path_is_used(
    site: Site, discover: Discovery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("twice", {"x": "second:run"}, version="2.0")
    first = Site(tmp_path / "first")
    first.install("Twice", {"x": "first:run"}, version="1.0")
    monkeypatch.syspath_prepend(first.path)
    plugins, findings = discover()
    assert plugins["twice/x"]["entry_point"] == "first:run"
    assert codes(findings) == ["duplicate_distribution"]


def test_a_hidden_distribution_offers_nothing_even_if_the_first_has_no_plugin(
    site: Site, discover: Discovery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("twice", {"x": "second:run"}, version="2.0")
    first = Site(tmp_path / "first")
    first.install("twice", version="1.0")
    monkeypatch.syspath_prepend(first.path)
    plugins, findings = discover()
    assert plugins == {}
    assert codes(findings) == ["duplicate_distribution"]


def test_a_linked_folder_is_the_same_folder(
    site: Site, discover: Discovery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("linked", {"x": "a:b"})
    link = tmp_path / "lib64"
    link.symlink_to(site.path)
    monkeypatch.syspath_prepend(link)
    plugins, findings = discover()
    assert list(plugins) == ["linked/x"]
    assert findings == []


def test_shared_and_reserved_names_are_findings(site: Site, discover: Discovery) -> None:
    site.install("one", {"clean_up": "one:run"})
    site.install("two", {"clean.up": "two:run", "Trim_Lines": "two:trim"})
    plugins, findings = discover()
    assert sorted(plugins) == ["one/clean-up", "two/clean-up", "two/trim-lines"]
    assert sorted(codes(findings)) == ["reserved_name", "shared_name", "shared_name"]
    shared = next(finding for finding in findings if finding["code"] == "shared_name")
    assert "`one/clean-up`, `two/clean-up`" in shared["message"]


DOCTOR = "from text_processor._engine import command; command(['text-processor', 'plugins', 'doctor', '--json'])"
LIST = DOCTOR.replace("doctor", "list")


def test_the_current_directory_is_not_trusted(tmp_path: Path) -> None:
    here = Site(tmp_path / "here")
    here.install("evil", {"evil": "evil:run"}, modules={"evil": CANARY.format(path=str(tmp_path / "ran"))})
    for path in ("", ".", str(here.path)):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, path])}

        def answer(program: str, environment: dict[str, str] = environment) -> Any:
            command = [sys.executable, "-c", program]
            done = subprocess.run(command, cwd=here.path, env=environment, capture_output=True, check=True, text=True)
            return json.loads(done.stdout)

        assert "evil/evil" not in [plugin["name"] for plugin in answer(LIST)["plugins"]]
        findings = answer(DOCTOR)["findings"]
        (finding,) = [finding for finding in findings if finding["code"] == "untrusted_location"]
        assert finding["distribution"] == "evil"
    assert not (tmp_path / "ran").exists()


def test_the_folder_of_a_script_is_not_trusted(tmp_path: Path) -> None:
    here = Site(tmp_path / "here")
    here.install("evil", {"evil": "evil:run"})
    script = here.path / "script.py"
    script.write_text(DOCTOR)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, script], cwd="/", env=environment, capture_output=True, check=True, text=True
    )
    assert "untrusted_location" in codes(json.loads(done.stdout)["findings"])


def test_an_editable_installation_says_so(site: Site, discover: Discovery) -> None:
    info = site.install("editable", {"x": "a:b"})
    (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
    assert discover()[0]["editable/x"]["editable"]


def test_a_distribution_in_an_archive_is_found(
    discover: Discovery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-1.0.dist-info/METADATA", "Name: zipped\nVersion: 1.0\n\n")
        file.writestr("zipped-1.0.dist-info/entry_points.txt", "[text_processor.plugins]\nx = zipped:run\n")
    monkeypatch.syspath_prepend(archive)
    assert discover()[0]["zipped/x"]["version"] == "1.0"


def test_a_finder_that_raises_hides_no_other(site: Site, discover: Discovery, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def find_spec(_name: str, _path: object = None, _target: ModuleType | None = None) -> None:
            return None

        @staticmethod
        def find_distributions(_context: object = None) -> object:
            message = "no luck"
            raise RuntimeError(message)

    site.install("good", {"x": "a:b"})
    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    plugins, findings = discover()
    assert "good/x" in plugins
    assert any("RuntimeError: no luck" in finding["message"] for finding in findings)
