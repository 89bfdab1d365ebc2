"""Plugins that are installed in unusual ways, or for another machine."""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import py_compile
import shutil
import site as python_site
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import run_python

from text_processor import Pipeline, _engine
from text_processor.exceptions import PluginLoadError

if TYPE_CHECKING:
    from conftest import Command, Site

UPPER = "def process(text): return text.upper()\n"
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]


class TestNativeCode:
    def refused(self, command: Command) -> PluginLoadError:
        done = command("run", "-s", "acme/x")
        assert (done.code, done.output) == (7, "")
        assert "acme 2.0" in done.messages
        with pytest.raises(PluginLoadError) as caught:
            Pipeline(["acme/x"])
        assert isinstance(caught.value.__cause__, ImportError)
        assert (caught.value.distribution, caught.value.version) == ("acme", "2.0")
        return caught.value

    def test_a_file_that_is_no_library_is_refused(self, site: Site, command: Command) -> None:
        site.install("acme", {"x": "acme_native:process"}, version="2.0")
        (site.path / f"acme_native{SUFFIX}").write_bytes(b"\x7fELF for another machine")
        assert "acme_native" in str(self.refused(command))

    def test_a_library_that_needs_what_is_not_there_is_refused(self, site: Site, command: Command) -> None:
        site.install("acme", {"x": "acme_native:process"}, version="2.0")
        # Every extension module needs this function of Python; the copy needs one that no version has.
        library = Path(_engine.__file__).read_bytes()
        assert b"\0PyUnicode_FromStringAndSize\0" in library
        broken = library.replace(b"\0PyUnicode_FromStringAndSize\0", b"\0PyUnicode_FromStringAndSoze\0")
        (site.path / f"acme_native{SUFFIX}").write_bytes(broken)
        assert "undefined symbol: PyUnicode_FromStringAndSoze" in str(self.refused(command))

    def test_a_library_of_another_name_is_refused(self, site: Site, command: Command) -> None:
        site.install("acme", {"x": "acme_native:process"}, version="2.0")
        shutil.copy(_engine.__file__, site.path / f"acme_native{SUFFIX}")
        assert "does not define module export function (PyInit_acme_native)" in str(self.refused(command))

    @pytest.mark.parametrize("module", ["acme_native", "acme.parts.native"])
    def test_a_library_for_another_python_is_named(self, site: Site, command: Command, module: str) -> None:
        site.install("acme", {"x": f"{module}:process"}, version="2.0")
        path = site.path.joinpath(*module.split("."))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.cpython-36m-x86_64-linux-gnu.so").write_bytes(b"")
        (hint,) = self.refused(command).__notes__
        assert f"`{path.name}.cpython-36m-x86_64-linux-gnu.so` is there" in hint
        assert f"`{sys.implementation.cache_tag}`" in hint


class TestPlaces:
    def test_a_namespace_package(self, site: Site) -> None:
        site.install("acme-one", {"one": "acme.one:process"}, modules={"acme.one": UPPER})
        site.install("acme-two", {"two": "acme.inner.two:process"}, modules={"acme.inner.two": UPPER})
        assert not list(site.path.rglob("__init__.py"))
        assert Pipeline(["one", "two"]).process("a") == "A"

    def test_an_archive(self, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        archive = tmp_path / "zipped.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("zipped.py", UPPER)
            file.writestr("broken.py", "raise ValueError('no')")
            file.writestr("zipped-1.0.dist-info/METADATA", "Name: zipped\nVersion: 1.0\n\n")
            entry_points = "[text_processor.plugins]\nzipped = zipped:process\nbroken = broken:process\n"
            file.writestr("zipped-1.0.dist-info/entry_points.txt", entry_points)
        monkeypatch.syspath_prepend(archive)
        assert Pipeline(["zipped"]).process("a") == "A"
        assert sys.modules.pop("zipped").__file__ == str(archive / "zipped.py")
        done = command("explain", "-s", "broken")
        assert done.code == 7
        assert f'File "{archive / "broken.py"}", line 1' in done.messages

    def test_a_package_without_its_source(self, site: Site) -> None:
        site.install("acme", {"x": "acme:process"}, modules={"acme": UPPER})
        source = site.path / "acme.py"
        py_compile.compile(str(source), cfile=str(site.path / "acme.pyc"))
        source.unlink()
        assert Pipeline(["acme/x"]).process("a") == "A"
        del sys.modules["acme"]
        (site.path / "acme.pyc").write_bytes(b"\0" * 32)
        importlib.invalidate_caches()
        with pytest.raises(PluginLoadError, match="bad magic number"):
            Pipeline(["acme/x"])

    def test_an_editable_installation(
        self, site: Site, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = tmp_path / "source"
        source.mkdir()
        (source / "acme.py").write_text(UPPER)
        info = site.install("acme", {"x": "acme:process"})
        (info / "direct_url.json").write_text(json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}}))
        (site.path / "_acme.pth").write_text(f"{source}\n")
        monkeypatch.setattr(sys, "path", list(sys.path))
        python_site.addsitedir(str(site.path))
        assert Pipeline(["acme/x"]).process("a") == "A"
        assert sys.modules["acme"].__file__ == str(source / "acme.py")
        assert command.json("plugins", "show", "acme/x")["plugin"]["editable"] is True

    def test_a_module_that_is_called_like_one_of_python_hides_nothing(self, tmp_path: Path) -> None:
        from conftest import Site

        shadow = Site(tmp_path / "shadow")
        modules = {
            "json": "raise ImportError('the json of a plugin was imported')",
            "acme": "import json\ndef process(text): return json.dumps(text)\n",
        }
        shadow.install("acme", {"x": "acme:process", "json": "json:process"}, modules=modules)
        program = """
            from text_processor import Pipeline
            from text_processor.exceptions import PluginLoadError
            print(Pipeline(["acme/x"]).process("a"))
            try:
                Pipeline(["acme/json"])
            except PluginLoadError as error:
                print(*error.__notes__)
        """
        done = run_python(program, path=[shadow.path])
        own, note = done.output.splitlines()
        assert own == '"a"'
        assert note.startswith("`json` is a module of Python itself")
        assert done.code == 0


def test_of_two_hundred_installed_plugins_one_is_used_and_one_imported(
    site: Site, command: Command, tmp_path: Path
) -> None:
    canaries = tmp_path / "canaries"
    canaries.mkdir()
    for number in range(200):
        source = f"from pathlib import Path\nPath({str(canaries)!r}, '{number}').touch()\n{UPPER}"
        site.install(f"acme-{number}", {f"x{number}": f"acme_{number}:process"}, modules={f"acme_{number}": source})
    start = time.perf_counter()
    plugins = command.json("plugins", "list")["plugins"]
    listed = time.perf_counter() - start
    assert len([plugin for plugin in plugins if plugin["location"].startswith(str(site.path))]) == 200
    assert Pipeline(["x117"]).process("a") == "A"
    assert [path.name for path in canaries.iterdir()] == ["117"]
    assert [name for name in sys.modules if name.startswith("acme_")] == ["acme_117"]
    sys.stdout.write(f"`plugins list` with 200 plugins more took {listed * 1000:.1f} ms.\n")
