"""The only list of checks of this project. `nox` runs them all, `nox --list` names them, `nox -s lint` runs one.

The core is compiled in one target folder, with the quick profile, once per Python version: the session `wheel` makes a
wheel that every other session installs. What is tested is therefore what users install, never the source tree.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.11.12"
# The standard library's own: a fresh machine has nothing else.
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = False

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PLUGINS = sorted(path.parent for path in ROOT.glob("example-plugins/*/pyproject.toml"))
WHEELS = ROOT / "target" / "wheels-of-nox"
MATURIN = PROJECT["build-system"]["requires"]


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _usable(version: str) -> bool:
    """Whether this machine has that Python, with all that a virtual environment needs."""
    python = shutil.which(f"python{version}")
    return python is not None and _succeeds(python, "-c", "import ensurepip, venv")


PYTHONS = [version for version in ("3.11", "3.12", "3.13", "3.14") if _usable(version)]
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# Checks that need only one Python take the one that runs nox.
PYTHON = RUNNING if RUNNING in PYTHONS else PYTHONS[0] if PYTHONS else RUNNING


def _group(name: str) -> list[str]:
    """The requirements of a dependency group of `pyproject.toml`."""
    return list(nox.project.dependency_groups(PROJECT, name))


def _base_interpreter(session: nox.Session) -> str:
    """The interpreter under the session's environment.

    Its path is the same in all sessions and all runs. PyO3 is compiled anew whenever that path changes.
    """
    printed = session.run("python", "-c", "import sys; print(sys._base_executable)", silent=True, log=False)
    return str(printed).strip()


def _build_wheel(session: nox.Session, folder: Path, *profile: str) -> None:
    """Build the wheel of the core into an empty folder, as pip would: for this machine, and with the locked crates."""
    session.install(*MATURIN)
    shutil.rmtree(folder, ignore_errors=True)
    python = _base_interpreter(session)
    session.run("maturin", "build", *profile, "--compatibility=linux", f"--interpreter={python}", f"--out={folder}")


def _core_wheel(session: nox.Session) -> str:
    """The wheel that the session `wheel` made for this session's Python."""
    [wheel] = (WHEELS / f"core-{session.python}").glob("*.whl")
    return str(wheel)


def _plugin_wheels() -> list[str]:
    """The wheels that the session `plugin_wheels` made."""
    return sorted(str(wheel) for wheel in (WHEELS / "plugins").glob("*.whl"))


def _cargo_tool(session: nox.Session, tool: str, component: str) -> None:
    """Ends the session clearly where a part of the Rust toolchain is missing, instead of passing without the check."""
    if shutil.which("cargo") is None:
        session.error("`cargo` is missing: install Rust 1.89 or newer (https://rustup.rs).")
    if not _succeeds("cargo", tool, "--version"):
        session.error(f"`cargo {tool}` is missing: install it with `rustup component add {component}`.")


@nox.session(python=PYTHONS, default=False)
def wheel(session: nox.Session) -> None:
    """Build the wheel of the core for one Python, with the quick profile."""
    _build_wheel(session, WHEELS / f"core-{session.python}", "--profile=dev")


@nox.session(python=PYTHON, default=False)
def plugin_wheels(session: nox.Session) -> None:
    """Build the wheels of the example plugins."""
    session.install("hatchling")
    folder = WHEELS / "plugins"
    shutil.rmtree(folder, ignore_errors=True)
    quick = ["--quiet", "--no-deps", "--no-build-isolation"]
    session.run("python", "-m", "pip", "wheel", *quick, f"--wheel-dir={folder}", *map(str, PLUGINS))


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and suspicious code, in Python and in Rust, with and without Python in the core."""
    session.install(*_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    _cargo_tool(session, "fmt", "rustfmt")
    _cargo_tool(session, "clippy", "clippy")
    session.run("cargo", "fmt", "--check", external=True)
    clippy = ["cargo", "clippy", "--quiet", "--locked", "--all-targets"]
    environment = {"PYO3_PYTHON": _base_interpreter(session)}
    for features in ([], ["--no-default-features"]):
        session.run(*clippy, *features, "--", "-D", "warnings", external=True, env=environment)


@nox.session(python=False)
def core(session: nox.Session) -> None:
    """Test the core by itself: no interpreter is built in, none is needed."""
    session.run("cargo", "test", "--quiet", "--locked", "--no-default-features", external=True)


@nox.session(python=PYTHONS, requires=["wheel-{python}"])
def tests(session: nox.Session) -> None:
    """Test the library and the command, for every Python of this machine."""
    session.install(_core_wheel(session), *_group("test"))
    # How often a run is killed and resumed does not depend on the Python: one of them is enough for hundreds of times.
    kills = "300" if session.python == PYTHON else "20"
    session.run("pytest", *session.posargs, env={"TEXT_PROCESSOR_KILLS": kills})


@nox.session(python=PYTHON, default=False, requires=["wheel-{python}"])
def long(session: nox.Session) -> None:
    """Run the tests of faults with thousands of rounds and with inputs of their real sizes, for some hours."""
    session.install(_core_wheel(session), *_group("test"))
    subjects = ["conservation", "faults_limits", "faults_system", "interruptions"]
    subjects += ["output_faults", "output_resume", "poison", "table_files_damage", "table_files_mutations", "workers"]
    files = [f"tests/test_{subject}.py" for subject in subjects]
    rounds = {"KILLS": "3000", "FILE_KILLS": "300", "FAULT_CALLS": "1000", "INTERRUPTIONS": "150"}
    rounds |= {"SHARDS": "18", "REAL_SIZES": "1", "LONG": "1"}
    environment = {f"TEXT_PROCESSOR_{name}": value for name, value in rounds.items()}
    session.run("pytest", *(session.posargs or files), "--timeout=0", "--log-cli-level=INFO", env=environment)


@nox.session(python=PYTHON, default=False, requires=["wheel-{python}"])
def friends(session: nox.Session) -> None:
    """Start Ray, Spark (with the Java of this machine), Dask and `datasets`, and have them run a pipeline.

    They are more than a gigabyte.
    """
    session.install(f"{_core_wheel(session)}[dask,datasets,ray,spark]", *_group("test"))
    recipes = "tests/documents/test_documents.py::test_examples_of[docs/recipes.md]"
    environment = {"TEXT_PROCESSOR_WHEELS": str(WHEELS / f"core-{session.python}")}
    session.run("pytest", "-rs", "tests/friends", recipes, *session.posargs, env=environment)


@nox.session(python=PYTHON, default=False, requires=["wheel-{python}"])
def stores(session: nox.Session) -> None:
    """Test remote files with each store, Azure's (Azurite, which npm installs) too."""
    if shutil.which("npm") is None:
        session.error("`npm` is missing, which installs Azurite: install Node.js (https://nodejs.org).")
    folder = session.create_tmp()
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    session.run("npm", "install", f"--prefix={folder}", *quiet, "azurite@3", external=True)
    session.install(_core_wheel(session), *_group("test"), *_group("stores"))
    path = os.pathsep.join([str(Path(folder) / "node_modules" / ".bin"), os.environ["PATH"]])
    session.run("pytest", "-rs", "tests/test_remote_files.py", *session.posargs, env={"PATH": path})


@nox.session(python=PYTHON, requires=["wheel-{python}"])
def types(session: nox.Session) -> None:
    """Check the types of the Python face and of the example plugins, and that the stubs say what is there."""
    session.install(_core_wheel(session), *_group("types"))
    session.run("mypy")
    session.run("mypy", "tests/types")
    for plugin in PLUGINS:
        session.run("mypy", str(plugin / "src"))
    session.run("python", "-m", "mypy.stubtest", "--mypy-config-file", "pyproject.toml", "text_processor")


@nox.session(python=PYTHON, requires=["wheel-{python}", "plugin_wheels"])
def examples(session: nox.Session) -> None:
    """Install the wheels of the core and of the example plugins in a clean environment, and use them as users do."""
    session.install("--only-binary", ":all:", _core_wheel(session), *_plugin_wheels(), *_group("test"))
    for plugin in PLUGINS:
        with session.chdir(plugin):
            session.run("pytest", "-p", "no:cacheprovider", "--quiet")
    names = []
    for plugin in PLUGINS:
        project = tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        names += [f"{project['name']}/{name}" for name in project["entry-points"]["text_processor.plugins"]]
    session.run("pytest", "--quiet", "tests/examples", env={"TEXT_PROCESSOR_EXAMPLES": json.dumps(sorted(names))})


@nox.session(python=PYTHON, requires=["wheel-{python}", "plugin_wheels"])
def docs(session: nox.Session) -> None:
    """Run every example of the documentation."""
    session.install(_core_wheel(session), *_plugin_wheels(), *_group("test"))
    wheels = [str(WHEELS / f"core-{session.python}"), str(WHEELS / "plugins")]
    session.run("pytest", "tests/documents", *session.posargs, env={"TEXT_PROCESSOR_WHEELS": os.pathsep.join(wheels)})


def _peers_python(session: nox.Session) -> str:
    """An interpreter that has what the peers import: the given one, or one of our own that is kept."""
    given = os.environ.get("TEXT_PROCESSOR_PEERS_PYTHON")
    if given:
        return given
    folder = ROOT / "target" / "peers-of-bench"
    python = str(folder / "bin" / "python")
    if not Path(python).is_file():
        session.run("python", "-m", "venv", "--clear", str(folder))
    session.run(python, "-m", "pip", "install", "--quiet", *_group("peers"), external=True)
    return python


def _floor(session: nox.Session, bench: Path) -> str:
    """The straight Rust program: the given one, or one built from a copy, because the original may be read-only."""
    given = os.environ.get("TEXT_PROCESSOR_FLOOR")
    if given:
        return given
    copy = Path(session.create_tmp()) / "floor"
    for file in (bench / "floor").rglob("*"):
        if file.is_file() and "target" not in file.relative_to(bench).parts:
            place = copy / file.relative_to(bench / "floor")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    target = ROOT / "target" / "floor-of-bench"
    manifest = f"--manifest-path={copy / 'Cargo.toml'}"
    session.run("cargo", "build", "--quiet", "--release", manifest, f"--target-dir={target}", external=True)
    return str(target / "release" / "floor")


@nox.session(python=PYTHON, default=False)
def bench(session: nox.Session) -> None:
    """Compare a release build with what people use today: `nox -s bench`, or `nox -s bench -- --rounds 1 clean copy`.

    The first lines of `benches/compare.py` say which environment variables there are.
    """
    folder = os.environ.get("TEXT_PROCESSOR_BENCH")
    if not folder:
        session.error("TEXT_PROCESSOR_BENCH must name the folder that holds `make_corpus.py`, `peers/` and `floor/`.")
    wheels = WHEELS / "release"
    _build_wheel(session, wheels, "--release")
    [release] = wheels.glob("*.whl")
    plugins = [ROOT / "example-plugins" / f"text-processor-{name}" for name in ("reverse", "capitalize")]
    session.install("--force-reinstall", str(release), *map(str, plugins), str(ROOT / "benches" / "noop-plugin"))
    # Tables are compared in one process.
    session.install(*_group("bench"))
    environment = {
        "TEXT_PROCESSOR_PEERS_PYTHON": _peers_python(session),
        "TEXT_PROCESSOR_FLOOR": _floor(session, Path(folder)),
    }
    session.run("python", "benches/compare.py", *session.posargs, env=environment)
