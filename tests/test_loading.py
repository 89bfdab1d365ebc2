"""Loading plugins and callables: what they declare, what they are configured with, and what is wrong with them."""

from __future__ import annotations

import functools
import inspect
import json
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from text_processor import Pipeline, Reject, _contract, _inspection, plugin
from text_processor.exceptions import ConfigError, PluginContractError, PluginLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Command, Site


def reverse(text: str) -> str:
    """Reverse a text.

    At length.
    """
    return text[::-1]


said = plugin(summary="Mine.")(lambda text: text)


@plugin(kind="filter", stage="filter", after=["trim-lines"])
@dataclass
class MinWords:
    """Drop records with few words."""

    minimum: int
    unit: Literal["words", "lines"] = "words"
    ratio: float = 0.5
    words: list[str] = field(default_factory=list, metadata={"description": "Words to count."})
    limit: int | None = None

    def __call__(self, text: str) -> bool | Reject:
        return len(text.split()) >= self.minimum


def a(kind: str, **arguments: Any) -> Callable[[Any], Any]:
    return plugin(kind=kind, **arguments)  # type: ignore[call-overload, no-any-return]


def positional(text: str, field: str, /) -> str:
    return text + field


def curious(text: str, **fields: str) -> str:
    return text + "".join(fields)


# What a function asks for is what its signature says.
curious.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name in ["text", *map("f{}".format, range(17))]
    ]
)


def plain(text: str) -> str:
    """Return the text.

    This is another paragraph.
    """
    return text


def asking(text: str, source: str, language: str = "en", *, score: float, site: str = "") -> str:
    """Join what it is given, which takes
    two lines.
    """  # noqa: D205
    return text + source + language + str(score) + site


def by_position(text: str, /, source: str) -> str:
    return text + source


def with_default(text: str = "", source: str = "") -> str:
    return text + source


@plugin(kind="annotate", fields={"length": int}, name="measure", summary="Measure.", thread_safe=True)
def annotating(text: str) -> dict[str, int]:
    return {"length": len(text)}


class TestPlainFunctions:
    @pytest.mark.parametrize(
        "function", [reverse, plain, asking, by_position, with_default, annotating, said, lambda text: text]
    )
    def test_what_is_read_without_inspect_is_what_inspect_reads(self, function: Any) -> None:
        inspected = _inspection.read(function, "The step")
        assert _contract._is_plain(function)  # noqa: SLF001
        read = _contract.read(function, "The step")
        assert {name: getattr(read, name) for name in read.__slots__} == {
            name: getattr(inspected, name) for name in read.__slots__
        }

    def test_everything_else_is_left_to_inspect(self) -> None:
        def generating(text: str) -> Iterator[str]:
            yield text

        async def waiting(text: str) -> str:
            return text

        wrapped = functools.wraps(reverse)(plain)
        others = [generating, waiting, wrapped, curious, positional, functools.partial(reverse), MinWords, len]
        others += [lambda: "", lambda *texts: texts, lambda **texts: texts, lambda *, text: text]
        assert not any(_contract._is_plain(other) for other in others)  # noqa: SLF001

    def test_a_plain_function_costs_no_import(self) -> None:
        program = (
            "import sys, text_processor; before = set(sys.modules); plain = lambda text: text; "
            "text_processor.Pipeline(['trim', plain]).process('a'); print(*set(sys.modules) - before)"
        )
        completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        imported = set(completed.stdout.split())
        assert "text_processor._contract" in imported
        assert imported.isdisjoint({"inspect", "dataclasses", "typing", "text_processor._inspection"})


class TestLoading:
    def test_an_undecorated_function_is_a_map(self, site: Site, command: Command) -> None:
        site.install("acme", {"reverse": "acme:process"}, modules={"acme": "def process(text): return text[::-1]"})
        assert Pipeline(["acme/reverse"]).process("abc") == "cba"
        declared = command.json("plugins", "show", "acme/reverse")
        assert (declared["kind"], declared["stage"], declared["runtime"]) == ("map", "transform", "python")
        assert declared["origin"] == {"distribution": "acme", "version": "1.0", "entry_point": "acme:process"}

    @pytest.mark.parametrize(
        ("source", "cause"),
        [
            ("raise ValueError('no')", ValueError),
            ("import sys; sys.exit(0)", SystemExit),
            ("raise KeyboardInterrupt", KeyboardInterrupt),
            ("raise GeneratorExit", GeneratorExit),
            ("def process(text) return text", SyntaxError),
            ("class Own(BaseException): pass\nraise Own", BaseException),
            ("import a_module_that_is_not_there", ModuleNotFoundError),
            ("", AttributeError),
        ],
    )
    def test_whatever_an_import_raises_names_the_plugin(
        self, site: Site, source: str, cause: type[BaseException]
    ) -> None:
        site.install("acme", {"x": "acme:process"}, version="2.1", modules={"acme": source})
        with pytest.raises(
            PluginLoadError, match=r"`acme/x` \(acme 2\.1, `acme:process`\) cannot be imported"
        ) as caught:
            Pipeline(["acme/x"])
        error = caught.value
        assert isinstance(error.__cause__, cause)
        # What C code raises has no frame of its own, and neither has what the compiler raises, from Python 3.12 on.
        assert error.__cause__.__traceback__ is not None or cause in {AttributeError, SyntaxError}
        assert (error.plugin, error.distribution, error.version) == ("acme/x", "acme", "2.1")
        assert error.entry_point == "acme:process"

    def test_a_real_interrupt_while_importing_is_one(self, site: Site, command: Command) -> None:
        source = "import signal; signal.raise_signal(signal.SIGINT)"
        site.install("acme", {"x": "acme:process"}, modules={"acme": source})
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            Pipeline(["acme/x"])
        assert command("explain", "-s", "acme/x").code == 130
        assert signal.getsignal(signal.SIGINT) is handler

    def test_a_handler_that_a_plugin_installs_stays_and_ours_goes(self, site: Site) -> None:
        source = """
            import signal
            def note(number, frame): heard.append(number)
            heard = []
            signal.signal(signal.SIGINT, note)
            def process(text): return text
        """
        site.install("acme", {"x": "acme:process"}, modules={"acme": source})
        handler = signal.getsignal(signal.SIGINT)
        try:
            Pipeline(["acme/x"])
            assert signal.getsignal(signal.SIGINT) is sys.modules["acme"].note
            signal.raise_signal(signal.SIGINT)
            assert sys.modules["acme"].heard == [signal.SIGINT]
        finally:
            signal.signal(signal.SIGINT, handler)

    def test_a_missing_module_is_named_and_no_command_is_invented(self, site: Site) -> None:
        site.install("acme", {"x": "acme:process"}, modules={"acme": "import absent.part"})
        with pytest.raises(PluginLoadError) as caught:
            Pipeline(["acme/x"])
        (note,) = caught.value.__notes__
        assert "needs the module `absent`" in note
        assert "pip" not in note

    def test_a_module_that_was_removed_is_told_from_one_that_is_needed(self, site: Site) -> None:
        site.install("acme", {"x": "acme:process"})
        with pytest.raises(PluginLoadError) as caught:
            Pipeline(["acme/x"])
        assert "install that distribution again" in caught.value.__notes__[0]

    def test_a_module_of_python_is_not_replaced(self, site: Site) -> None:
        site.install("acme", {"x": "json:process"}, modules={"not_json": ""})
        with pytest.raises(PluginLoadError) as caught:
            Pipeline(["acme/x"])
        assert "`json` is a module of Python itself" in caught.value.__notes__[0]

    def test_a_class_that_cannot_be_made_is_a_load_error(self, site: Site) -> None:
        source = """
            class Step:
                def __init__(self): raise OSError("no model")
                def __call__(self, text): return text
        """
        site.install("acme", {"x": "acme:Step"}, modules={"acme": source})
        with pytest.raises(PluginLoadError, match="cannot be made: OSError: no model") as caught:
            Pipeline(["acme/x"])
        assert isinstance(caught.value.__cause__, OSError)

    def test_a_wrong_declaration_is_a_contract_error(self, site: Site) -> None:
        source = "from text_processor import plugin\n@plugin(kind='maps')\ndef process(text): return text"
        site.install("acme", {"x": "acme:process"}, modules={"acme": source})
        with pytest.raises(PluginContractError, match=r"`acme/x` .* not 'maps'"):
            Pipeline(["acme/x"])

    def test_only_the_plugin_that_is_named_is_imported(self, site: Site) -> None:
        site.install("good", {"x": "good:process"}, modules={"good": "def process(text): return text"})
        site.install("broken", {"y": "broken:process"}, modules={"broken": "raise SystemExit"})
        assert Pipeline(["good/x"]).process("a") == "a"
        assert "broken" not in sys.modules


class TestContract:
    @pytest.mark.parametrize(
        ("target", "message"),
        [
            (lambda: "", "takes no parameter"),
            (lambda *texts: texts, r"takes `\*texts`"),
            (lambda text, **_fields: text, r"takes `\*\*_fields`"),
            (lambda *, text: text, "takes `text` by name only"),
            (type("Bare", (), {}), "a class whose instances cannot be called"),
            (positional, "takes `field` by position only"),
            (curious, "asks for 17 fields"),
        ],
    )
    def test_what_cannot_be_a_step(self, target: Any, message: str) -> None:
        with pytest.raises(PluginContractError, match=message):
            Pipeline([target])

    @pytest.mark.parametrize(
        ("entry_point", "message"),
        [
            ("acme:number", "is a `int`, and a step is a function or a class"),
            ("acme:json", "is a module, and a step is"),
        ],
    )
    def test_what_cannot_be_called_is_no_step(self, site: Site, entry_point: str, message: str) -> None:
        site.install("acme", {"x": entry_point}, modules={"acme": "import json; number = 3"})
        with pytest.raises(PluginContractError, match=message) as caught:
            Pipeline(["acme/x"])
        assert (caught.value.plugin, caught.value.entry_point) == ("acme/x", entry_point)

    @pytest.mark.parametrize("entry", [3, json, ("trim", {}, 1), None])
    def test_what_cannot_be_called_is_no_entry_of_a_pipeline(self, entry: Any) -> None:
        with pytest.raises(TypeError, match="A step is a name, a callable, or a pair"):
            Pipeline([entry])

    def test_async_functions_are_none(self) -> None:
        async def later(text: str) -> str:
            return text

        class Later:
            async def __call__(self, text: str) -> str:
                return text

        for target in (later, Later, Later(), functools.partial(later)):
            with pytest.raises(PluginContractError, match="is an async function"):
                Pipeline([target])

    def test_only_a_split_may_yield(self) -> None:
        def parts(text: str) -> Iterator[str]:
            yield from text.split()

        with pytest.raises(PluginContractError, match="is a generator function"):
            Pipeline([parts])
        records = Pipeline([a("split")(parts)]).records([{"text": "a b"}])
        assert [record.text for record in records] == ["a", "b"]

    def test_callables_of_all_sorts(self) -> None:
        class Bound:
            def method(self, text: str) -> str:
                return text + "!"

            @staticmethod
            def static(text: str) -> str:
                return text + "?"

        class Static:
            @staticmethod
            def __call__(text: str) -> str:
                return text + "."

        for target, expected in [
            (str.upper, "A"),
            (str.strip, "a"),
            (textwrap.dedent, "a"),
            (lambda text: text * 2, "aa"),
            (Bound().method, "a!"),
            (Bound.static, "a?"),
            (Static, "a."),
            (functools.partial(lambda end, text: text + end, "-"), "a-"),
        ]:
            assert Pipeline([target]).process("a") == expected

    def test_a_function_says_its_name_and_summary(self, site: Site, command: Command) -> None:
        assert Pipeline([reverse]).steps == (f"{__name__}.reverse",)
        assert Pipeline([plugin(name="my-name")(lambda text: text)]).steps == ("my-name",)
        site.install("acme", {"reverse": f"{__name__}:reverse", "said": f"{__name__}:said"})
        shown = [command.json("plugins", "show", name) for name in ("acme/reverse", "acme/said")]
        assert [(each["name"], each["summary"]) for each in shown] == [
            ("acme/reverse", "Reverse a text."),
            ("acme/said", "Mine."),
        ]

    def test_a_class_says_its_parameters(self, site: Site, command: Command) -> None:
        site.install("acme", {"min-words": f"{__name__}:MinWords"})
        declared = command.json("plugins", "show", "acme/min-words")
        shown = [(each["name"], each["type"], each["default"]) for each in declared["parameters"]]
        assert shown == [
            ("minimum", "integer", None),
            ("unit", "`words` or `lines`", "words"),
            ("ratio", "number", 0.5),
            ("words", "list of text", []),
            ("limit", "integer or nothing", None),
        ]
        assert declared["parameters"][3]["description"] == "Words to count."
        assert (declared["kind"], declared["stage"], declared["after"]) == ("filter", "filter", ["trim-lines"])


class TestConfiguration:
    @pytest.mark.parametrize(
        ("configuration", "message"),
        [
            ({}, "needs the configuration `minimum` \\(integer\\)"),
            ({"minimun": 1}, "has no configuration `minimun`. Did you mean `minimum`"),
            ({"minimum": "many"}, "The configuration `minimum` of the step .* is integer, not `'many'`"),
            ({"minimum": True}, "is integer, not `True`"),
            ({"minimum": 1, "unit": "bytes"}, "is `words` or `lines`, not `'bytes'`"),
            ({"minimum": 1, "words": "one"}, "is list of text, not `'one'`"),
            ({"minimum": 1, "words": ["one", 2]}, "is list of text, not a list"),
            ({"minimum": 1, "limit": 1.5}, "is integer or nothing, not `1.5`"),
        ],
    )
    def test_a_wrong_configuration_is_refused(self, configuration: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Pipeline([(MinWords, configuration)])

    def test_a_suggestion_is_data_too(self) -> None:
        with pytest.raises(ConfigError) as caught:
            Pipeline([(MinWords, {"minimun": 1})])
        assert caught.value.suggestion == "minimum"
        assert "It takes `minimum`, `unit`" in caught.value.__notes__[0]

    def test_values_arrive_as_their_types(self) -> None:
        seen = []

        @dataclass
        class Step:
            ratio: float
            names: tuple[str, ...]
            choice: set[int]
            anything: Any
            table: dict[str, float]
            either: int | float = 0

            def __call__(self, text: str) -> str:
                seen.append(self)
                return text

        given = {
            "ratio": 1,
            "names": ["a"],
            "choice": [1, 1],
            "anything": {"x": [None]},
            "table": {"k": 2},
            "either": 3,
        }
        Pipeline([(Step, given)]).process("")
        assert seen == [Step(1.0, ("a",), {1}, {"x": [None]}, {"k": 2.0}, 3)]
        assert isinstance(seen[0].ratio, float)
        assert isinstance(seen[0].either, int)

    def test_an_annotation_that_is_no_type_is_not_checked(self) -> None:
        @dataclass
        class Step:
            words: [int]  # type: ignore[valid-type]
            later: NotThere = None  # type: ignore[name-defined]  # noqa: F821

            def __call__(self, text: str) -> str:
                return f"{text} {self.words} {self.later}"

        assert Pipeline([(Step, {"words": "any", "later": 1})]).process("t") == "t any 1"

    def test_a_function_takes_none(self) -> None:
        with pytest.raises(ConfigError, match="takes no configuration, because it is a function"):
            Pipeline([(reverse, {"minimum": 1})])

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({"a": [{"b": {1}}]}, r"`a\[0\]\.b` is `set`, and JSON can say"),
            ({"a": float("nan")}, "`a` is a number that is not finite"),
            ({"a": 2**70}, "`a` is an integer that does not fit 64 bits"),
            ({"a": {1: 2}}, "`a` has a key of type `int`"),
            ({"a": "\ud800"}, "`a` holds a surrogate"),
            (["a"], "is a `dict`, not `list`"),
        ],
    )
    def test_what_json_cannot_say_is_named(self, value: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Pipeline([(MinWords, value)])

    def test_a_configuration_that_holds_itself_ends(self) -> None:
        endless: dict[str, Any] = {}
        endless["a"] = endless
        with pytest.raises(ConfigError, match="nested deeper"):
            Pipeline([(MinWords, endless)])
