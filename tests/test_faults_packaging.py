"""E1 to E9, E11, E12, F16: what is wrong with installed packages, seen by those who use others of them.

What discovery itself makes of broken metadata is tested in `test_discovery.py`; here it is seen from outside.
"""

import compileall
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from support.program import PATIENCE, Program
from support.site import Site

from text_processor import Pipeline, PluginCollisionError, PluginContractError, PluginError, PluginLoadError

UPPER = "def process(text: str) -> str:\n    return text.upper()\n"


@pytest.fixture
def acme(tmp_path: Path, site: Site) -> Program:
    """The command, where one healthy plugin is installed."""
    site.install("acme", {"upper": "acme_upper:process"}, modules={"acme_upper": UPPER})
    return Program(tmp_path / "work", [site.path])


def works(program: Program, step: str = "upper") -> None:
    """The healthy plugin is listed and runs."""
    done = program("run", "-q", "-s", step, stdin=b"text\n")
    assert (done.returncode, done.stdout) == (0, b"TEXT\n"), done.stderr
    assert "acme/upper" in [
        plugin["name"] for plugin in json.loads(program("plugins", "list", "--json").stdout)["plugins"]
    ]


@pytest.mark.parametrize(
    "metadata", [None, b"", b"\xff\xfe\0", b"Metadata-Version: 2.1\nVersion: 1\n", b"Name: \n"], ids=repr
)
def test_e1_metadata_that_cannot_be_read_hides_no_other_plugin(
    acme: Program, site: Site, metadata: bytes | None
) -> None:
    folder = site.install("broken", {"broken-step": "broken:process"}, modules={"broken": UPPER})
    if metadata is None:
        for file in folder.iterdir():
            file.unlink()
    else:
        (folder / "METADATA").write_bytes(metadata)
    works(acme)
    done = acme("plugins", "doctor", "--json")
    assert done.returncode in (0, 7)
    findings = json.loads(done.stdout)["findings"]
    assert any(folder.name in (finding["path"] or "") for finding in findings) or metadata is None


@pytest.mark.parametrize(
    "entry_points",
    [
        b"\xff\xfe[text_processor.plugins]\n",
        b"[text_processor.plugins]\nno equals sign\n",
        b"[text_processor.plugins]\nbroken-step = not a reference!\n",
        b"[text_processor.plugins]\nbroken-step =\n",
        b"[text_processor.plugins]\nbroken-step = broken\n",
        b"[text_processor.plugins\nbroken-step = broken:process\n",
        b"broken-step = broken:process\n",
        b"\0" * 100,
    ],
    ids=repr,
)
def test_e2_entry_points_that_cannot_be_read_hide_no_other_plugin(
    acme: Program, site: Site, entry_points: bytes
) -> None:
    folder = site.install("broken", modules={"broken": UPPER})
    (folder / "entry_points.txt").write_bytes(entry_points)
    works(acme)
    done = acme("run", "-s", "broken-step", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"broken-step" in done.stderr


def test_e3_two_distributions_with_one_name_are_an_error_only_where_it_is_used(acme: Program, site: Site) -> None:
    site.install(
        "other", {"upper": "other_upper:process"}, modules={"other_upper": UPPER.replace("upper()", "lower()")}
    )
    assert Pipeline(["trim"]).steps == ("trim",)
    with pytest.raises(PluginCollisionError) as caught:
        Pipeline(["upper"])
    assert "acme 1.0" in str(caught.value)
    assert "other 1.0" in str(caught.value)
    assert "acme/upper" in caught.value.__notes__[0]
    works(acme, "acme/upper")
    done = acme("run", "-s", "upper", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (7, b"")
    assert Pipeline(["other/upper", "acme/upper"]).process("Text") == "TEXT"


def test_e4_the_name_of_a_built_in_step_stays_its_own(acme: Program, site: Site) -> None:
    site.install(
        "thief", {"trim": "thief_trim:process", "Trim_Lines": "thief_trim:process"}, modules={"thief_trim": UPPER}
    )
    assert Pipeline(["trim", "trim-lines"]).process(" a ") == "a"
    assert Pipeline(["thief/trim"]).process(" a ") == " A "
    codes = {finding["code"] for finding in json.loads(acme("plugins", "doctor", "--json").stdout)["findings"]}
    assert "reserved_name" in codes


def test_e5_one_distribution_on_two_paths_is_the_one_that_is_imported(acme: Program, tmp_path: Path) -> None:
    second = Site(tmp_path / "second")
    wrong = {"acme_upper": "raise RuntimeError('the wrong one')\n"}
    second.install("Acme", {"upper": "acme_upper:process"}, modules=wrong, version="2.0")
    both = Program(acme.folder, [*acme.paths, second.path])
    works(both)
    told = json.loads(both("plugins", "list", "--json").stdout)["plugins"]
    assert [plugin["version"] for plugin in told if plugin["name"] == "acme/upper"] == ["1.0"]
    codes = {finding["code"] for finding in json.loads(both("plugins", "doctor", "--json").stdout)["findings"]}
    assert "duplicate_distribution" in codes


def test_e6_a_missing_dependency_is_named_and_no_command_is_made_of_it(acme: Program, site: Site) -> None:
    site.install("needy", {"needy": "needy:process"}, modules={"needy": "import a_missing_library\n" + UPPER})
    with pytest.raises(PluginLoadError) as caught:
        Pipeline(["needy"])
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    done = acme("run", "-s", "needy", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"a_missing_library" in done.stderr
    assert b"needy 1.0" in done.stderr
    assert b"pip install a_missing_library" not in done.stderr
    works(acme)


def test_e7_a_native_module_of_another_machine(acme: Program, site: Site) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    site.install("native", {"native": "native_step:process"})
    (site.path / f"native_step{suffix}").write_bytes(b"\x7fELF of another machine")
    done = acme("run", "-s", "native", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"native 1.0" in done.stderr
    assert b"ImportError" in done.stderr
    works(acme)


@pytest.mark.parametrize(
    ("reference", "source", "error"),
    [
        ("acme_odd:missing", "x = 1\n", PluginLoadError),
        ("acme_odd:Process.missing", "class Process: pass\n", PluginLoadError),
        ("acme_odd:process", "process = 5\n", PluginContractError),
        ("acme_odd:process", "def process(): return ''\n", PluginContractError),
        ("acme_odd:process", "async def process(text): return text\n", PluginContractError),
        ("acme_odd:process", "def process(text):\n    yield text\n", PluginContractError),
        ("acme_odd:process", "def process(text, *fields): return text\n", PluginContractError),
    ],
)
def test_e8_a_target_that_is_no_step(
    acme: Program, site: Site, reference: str, source: str, error: type[PluginError]
) -> None:
    site.install("odd", {"odd": reference}, modules={"acme_odd": source})
    with pytest.raises(error) as caught:
        Pipeline(["odd"])
    assert caught.value.distribution == "odd"
    assert caught.value.version == "1.0"
    assert caught.value.entry_point == reference
    assert acme("explain", "-s", "odd").returncode == 7


def test_e9_editable_installations(acme: Program, site: Site, tmp_path: Path) -> None:
    source = tmp_path / "project" / "src"
    source.mkdir(parents=True)
    (source / "editable_upper.py").write_text(UPPER, encoding="utf-8")
    metadata = site.install("editable", {"editable-upper": "editable_upper:process"})
    origin = {"url": source.parent.as_uri(), "dir_info": {"editable": True}}
    (metadata / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    # What a `.pth` file does in a real site folder.
    program = Program(acme.folder, [*acme.paths, source])
    done = program("run", "-q", "-s", "editable-upper", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (0, b"TEXT\n"), done.stderr
    listed = json.loads(program("plugins", "list", "--json").stdout)["plugins"]
    assert {plugin["name"]: plugin["editable"] for plugin in listed}["editable/editable-upper"] is True


def test_e9_a_zip_file_on_the_path(acme: Program, tmp_path: Path) -> None:
    unpacked = Site(tmp_path / "unpacked")
    unpacked.install("zipped", {"zipped-upper": "zipped_upper:process"}, modules={"zipped_upper": UPPER})
    archive = tmp_path / "zipped.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(unpacked.path.rglob("*")):
            file.write(path, path.relative_to(unpacked.path))
    done = Program(acme.folder, [archive])("run", "-q", "-s", "zipped-upper", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (0, b"TEXT\n"), done.stderr


def test_e9_namespace_packages(acme: Program, site: Site) -> None:
    site.install("spaced", {"spaced-upper": "spaced.inner.upper:process"}, modules={"spaced.inner.upper": UPPER})
    done = acme("run", "-q", "-s", "spaced-upper", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (0, b"TEXT\n"), done.stderr


def test_e9_modules_without_source(acme: Program, site: Site) -> None:
    site.install("compiled", {"compiled-upper": "compiled_upper:process"}, modules={"compiled_upper": UPPER})
    compileall.compile_file(str(site.path / "compiled_upper.py"), legacy=True, quiet=1)
    (site.path / "compiled_upper.py").unlink()
    done = acme("run", "-q", "-s", "compiled-upper", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (0, b"TEXT\n"), done.stderr


def test_e11_a_plugin_that_ships_json_does_not_replace_the_standard_library(site: Site, tmp_path: Path) -> None:
    shadow = Site(tmp_path / "shadow")
    process = "import json\ndef process(text): return json.dumps([text])\n"
    modules = {"json": "raise RuntimeError('shadow')\n", "shadow_step": process}
    shadow.install("shadow", {"dump": "shadow_step:process"}, modules=modules)
    # Installed packages stand behind the standard library; that is how `site` puts them there.
    program = f"""
import site
site.addsitedir({str(shadow.path)!r})
from text_processor import Pipeline
print(Pipeline(["dump"]).process("a"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (0, '["a"]\n'), done.stderr
    assert site.path.exists()


CANARY = """
import pathlib
pathlib.Path(__file__).with_suffix(".sang").touch()
def process(text: str) -> str:
    return text.upper()
"""


def canaries(site: Site, number: int) -> None:
    """Installs packages whose import leaves a trace."""
    for index in range(number):
        plugins = {f"canary-{index}": f"canary_{index}:process"}
        site.install(f"canary-{index}", plugins, modules={f"canary_{index}": CANARY})


def singing(site: Site) -> list[str]:
    """The canaries that were imported."""
    return sorted(path.stem for path in site.path.glob("*.sang"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["plugins", "list"],
        ["plugins", "list", "--json"],
        ["plugins", "doctor"],
        ["plugins", "show", "trim"],
        ["explain", "-s", "trim"],
        ["run", "-s", "trim"],
        ["trace", "-s", "trim", "text"],
        ["run", "-s", "canary-99"],
    ],
    ids=" ".join,
)
def test_f16_nothing_that_is_not_named_is_imported(tmp_path: Path, site: Site, arguments: list[str]) -> None:
    canaries(site, 50)
    Program(tmp_path / "work", [site.path])(*arguments, stdin=b"text\n")
    assert singing(site) == []


def test_f16_the_library_imports_nothing_that_is_not_named(site: Site) -> None:
    canaries(site, 50)
    assert Pipeline(["trim"]).process(" a ") == "a"
    with pytest.raises(PluginError):
        Pipeline(["canary"])
    assert singing(site) == []
    assert Pipeline(["canary-7"]).process("a") == "A"
    assert singing(site) == ["canary_7"]


def test_e12_of_two_hundred_plugins_one_is_imported(tmp_path: Path, site: Site) -> None:
    canaries(site, 200)
    program = Program(tmp_path / "work", [site.path])
    done = program("run", "-q", "-s", "canary-123", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (0, b"TEXT\n")
    assert singing(site) == ["canary_123"]
    assert len(json.loads(program("plugins", "list", "--json").stdout)["plugins"]) >= 200


def test_f16_discover_says_in_so_many_words_that_all_are_wanted(tmp_path: Path, site: Site) -> None:
    canaries(site, 3)
    done = Program(tmp_path / "work", [site.path])("run", "-q", "--discover", stdin=b"text\n")
    assert (done.returncode, done.stdout) == (0, b"TEXT\n")
    assert singing(site) == ["canary_0", "canary_1", "canary_2"]
