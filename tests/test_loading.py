"""Loading plugins and callables, configuring them, and calling them with one text."""

from __future__ import annotations

import builtins
import functools
import gc
import json
import textwrap
import threading
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, strategies
from text_processor import Reject, plugin
from text_processor._engine import _Probe as Probe
from text_processor.exceptions import (
    BadReturnType,
    ConfigError,
    PluginContractError,
    PluginLoadError,
    RecordError,
    RecordTooLarge,
    StepError,
    StepMemoryExceeded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Site


def reverse(text: str) -> str:
    """Reverse a text.

    At length.
    """
    return text[::-1]


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


def declaration(target: Any, *arguments: Any) -> dict[str, Any]:
    return json.loads(Probe(target, *arguments).declaration())  # type: ignore[no-any-return]


def a(kind: str, **arguments: Any) -> Callable[[Any], Any]:
    return plugin(kind=kind, **arguments)  # type: ignore[call-overload, no-any-return]


class TestLoading:
    def test_an_undecorated_function_is_a_map(self, site: Site) -> None:
        site.install("acme", {"reverse": "acme:process"}, modules={"acme": "def process(text): return text[::-1]"})
        step = Probe("acme/reverse")
        assert step.call("abc") == ("text", "cba")
        declared = json.loads(step.declaration())
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
            Probe("acme/x")
        error = caught.value
        assert isinstance(error.__cause__, cause)
        # What C code raises has no frame of its own.
        assert error.__cause__.__traceback__ is not None or source == ""
        assert (error.plugin, error.distribution, error.version) == ("acme/x", "acme", "2.1")
        assert error.entry_point == "acme:process"

    def test_a_real_interrupt_while_importing_is_one(self, site: Site) -> None:
        site.install("acme", {"x": "acme:process"}, modules={"acme": "raise KeyboardInterrupt"})
        with pytest.raises(KeyboardInterrupt):
            Probe("acme/x", interrupted=True)

    def test_a_missing_module_is_named_and_no_command_is_invented(self, site: Site) -> None:
        site.install("acme", {"x": "acme:process"}, modules={"acme": "import absent.part"})
        with pytest.raises(PluginLoadError) as caught:
            Probe("acme/x")
        (note,) = caught.value.__notes__
        assert "needs the module `absent`" in note
        assert "pip" not in note

    def test_a_module_that_was_removed_is_told_from_one_that_is_needed(self, site: Site) -> None:
        site.install("acme", {"x": "acme:process"})
        with pytest.raises(PluginLoadError) as caught:
            Probe("acme/x")
        assert "install that distribution again" in caught.value.__notes__[0]

    def test_a_module_of_python_is_not_replaced(self, site: Site) -> None:
        site.install("acme", {"x": "json:process"}, modules={"not_json": ""})
        with pytest.raises(PluginLoadError) as caught:
            Probe("acme/x")
        assert "`json` is a module of Python itself" in caught.value.__notes__[0]

    def test_a_class_that_cannot_be_made_is_a_load_error(self, site: Site) -> None:
        source = """
            class Step:
                def __init__(self): raise OSError("no model")
                def __call__(self, text): return text
        """
        site.install("acme", {"x": "acme:Step"}, modules={"acme": source})
        with pytest.raises(PluginLoadError, match="cannot be made: OSError: no model") as caught:
            Probe("acme/x")
        assert isinstance(caught.value.__cause__, OSError)

    def test_a_wrong_declaration_is_a_contract_error(self, site: Site) -> None:
        source = "from text_processor import plugin\n@plugin(kind='maps')\ndef process(text): return text"
        site.install("acme", {"x": "acme:process"}, modules={"acme": source})
        with pytest.raises(PluginContractError, match=r"`acme/x` .* not 'maps'"):
            Probe("acme/x")

    def test_only_the_plugin_that_is_named_is_imported(self, site: Site) -> None:
        site.install("good", {"x": "good:process"}, modules={"good": "def process(text): return text"})
        site.install("broken", {"y": "broken:process"}, modules={"broken": "raise SystemExit"})
        assert Probe("good/x").call("a") == ("text", "a")


class TestContract:
    @pytest.mark.parametrize(
        ("target", "message"),
        [
            (3, r"is a `int`, and a step is a function or a class"),
            (json, "is a `module`|is a module"),
            (lambda: "", "takes no parameter"),
            (lambda *texts: texts, r"takes `\*texts`"),
            (lambda text, **fields: text, r"takes `\*\*fields`"),
            (lambda *, text: text, "takes `text` by name only"),
            (type("Bare", (), {}), "a class whose instances cannot be called"),
            (eval("lambda text, field, /: text"), "takes `field` by position only"),
            (eval(f"lambda text, {', '.join(f'f{n}' for n in range(17))}: text"), "asks for 17 fields"),
        ],
    )
    def test_what_cannot_be_a_step(self, target: Any, message: str) -> None:
        with pytest.raises(PluginContractError, match=message):
            Probe(target)

    def test_async_functions_are_none(self) -> None:
        async def later(text: str) -> str:
            return text

        class Later:
            async def __call__(self, text: str) -> str:
                return text

        for target in (later, Later, Later(), functools.partial(later)):
            with pytest.raises(PluginContractError, match="is an async function"):
                Probe(target)

    def test_only_a_split_may_yield(self) -> None:
        def parts(text: str) -> Iterator[str]:
            yield from text.split()

        with pytest.raises(PluginContractError, match="is a generator function"):
            Probe(parts)
        assert Probe(a("split")(parts)).call("a b") == ("split", ["a", "b"])

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
            assert Probe(target).call("a") == ("text", expected)

    def test_a_function_says_its_name_and_summary(self) -> None:
        declared = declaration(reverse)
        assert declared["name"] == f"{__name__}.reverse"
        assert declared["summary"] == "Reverse a text."
        assert declaration(plugin(name="my-name", summary="Mine.")(lambda text: text))["name"] == "my-name"

    def test_a_class_says_its_parameters(self) -> None:
        declared = declaration(MinWords, {"minimum": 1})
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
            Probe(MinWords, configuration)

    def test_a_suggestion_is_data_too(self) -> None:
        with pytest.raises(ConfigError) as caught:
            Probe(MinWords, {"minimun": 1})
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
        Probe(Step, given).call("")
        assert seen == [Step(1.0, ("a",), {1}, {"x": [None]}, {"k": 2.0}, 3)]
        assert isinstance(seen[0].ratio, float)
        assert isinstance(seen[0].either, int)

    def test_a_function_takes_none(self) -> None:
        with pytest.raises(ConfigError, match="takes no configuration, because it is a function"):
            Probe(reverse, {"minimum": 1})

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
            Probe(MinWords, value)

    def test_a_configuration_that_holds_itself_ends(self) -> None:
        endless: dict[str, Any] = {}
        endless["a"] = endless
        with pytest.raises(ConfigError, match="nested deeper"):
            Probe(MinWords, endless)


class TestVerdicts:
    def test_an_unchanged_text_is_the_same_object(self) -> None:
        text = "".join(["some", " text"])
        verdict, returned = Probe(lambda text: text).call(text)
        assert verdict == "text"
        assert returned is text

    @pytest.mark.parametrize(
        ("value", "got"),
        [
            (None, "NoneType"),
            (3, "int"),
            (["a"], "list"),
            ({"a": 1}, "dict"),
            (b"a", "bytes"),
            (True, "bool"),
            (Reject("x"), "text_processor._plugin.Reject"),
            ((part for part in "ab"), "generator"),
        ],
    )
    def test_a_map_returns_a_text(self, value: Any, got: str) -> None:
        with pytest.raises(BadReturnType, match=f"Expected `str`, got `{got}`") as caught:
            Probe(lambda _text: value).call("a")
        assert caught.value.kind == "bad_return"

    def test_a_coroutine_is_closed(self) -> None:
        async def later() -> str:
            return ""

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(BadReturnType, match="got `coroutine`") as caught:
                Probe(lambda _text: later()).call("a")
            del caught
            gc.collect()

    def test_a_subclass_of_str_is_copied_and_never_asked(self) -> None:
        class Odd(str):
            __slots__ = ()

            def _raise(self, *_: object) -> Any:
                raise AssertionError

            __str__ = __len__ = __iter__ = __getitem__ = __eq__ = encode = _raise  # type: ignore[assignment]
            __hash__ = None  # type: ignore[assignment]

        verdict, made = Probe(lambda _text: Odd("grüße")).call("a")
        assert (verdict, type(made), made) == ("text", str, "grüße")
        assert Probe(a("split")(lambda _text: [Odd("b")])).call("a") == ("split", ["b"])

    def test_a_surrogate_is_a_failure(self) -> None:
        with pytest.raises(BadReturnType, match="surrogate") as caught:
            Probe(lambda _text: "\ud800").call("a")
        assert caught.value.kind == "surrogate"

    def test_a_text_over_the_limit_is_refused(self) -> None:
        for text in ("x" * 11, "ü" * 6):
            with pytest.raises(RecordTooLarge) as caught:
                Probe(functools.partial(lambda made, _text: made, text), record_bytes=10).call("a")
            assert caught.value.kind == "output_too_large"

    @pytest.mark.parametrize(
        ("value", "verdict"),
        [
            (True, ("keep", None)),
            (False, ("reject", "few")),
            (None, ("reject", "few")),
            (Reject("why"), ("reject", "why")),
        ],
    )
    def test_a_filter_decides(self, value: Any, verdict: tuple[str, Any]) -> None:
        assert Probe(a("filter", name="few")(lambda _text: value)).call("a") == verdict

    def test_a_nameless_filter_just_rejects(self) -> None:
        assert Probe(a("filter")(lambda _text: False)).call("a") == ("reject", "rejected")

    @pytest.mark.parametrize("value", ["", 0, 1, [], "yes"])
    def test_what_merely_has_a_truth_value_is_no_decision(self, value: Any) -> None:
        with pytest.raises(BadReturnType, match="Expected `bool` or `Reject`, got"):
            Probe(a("filter")(lambda _text: value)).call("a")

    def test_an_annotator_returns_its_fields(self) -> None:
        fields = {"a": str, "b": int, "c": float, "d": bool, "e": object}
        step = Probe(
            a("annotate", fields=fields)(lambda _text: {"e": [1, {"x": None}], "d": True, "c": 1, "b": 2, "a": "z"})
        )
        assert step.call("t") == ("annotate", ["z", 2, 1.0, True, [1, {"x": None}]])

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({}, "exactly the declared fields `a`. It lacks `a`"),
            ({"a": 1, "b": 2}, "It has `b` too"),
            ({"a": "1"}, "Expected `int` for the field `a`, got `str`"),
            ({"a": True}, "Expected `int` for the field `a`, got `bool`"),
            ({"a": None}, "Expected `int` for the field `a`, got `NoneType`"),
            ({"a": 2**63}, "does not fit 64 bits"),
            ([("a", 1)], "Expected `dict`, got `list`"),
            (None, "Expected `dict`, got `NoneType`"),
        ],
    )
    def test_wrong_fields_are_named(self, value: Any, message: str) -> None:
        with pytest.raises(BadReturnType, match=message):
            Probe(a("annotate", fields={"a": int})(lambda _text: value)).call("t")

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("text", "Expected an iterable of `str`, got `str`"),
            (b"text", "got `bytes`"),
            (3, "got `int`"),
            (["a", 2], "got `int` for part 1"),
        ],
    )
    def test_a_split_returns_texts(self, value: Any, message: str) -> None:
        with pytest.raises(BadReturnType, match=message):
            Probe(a("split")(lambda _text: value)).call("t")

    def test_a_split_without_parts_rejects(self) -> None:
        assert Probe(a("split")(lambda _text: [])).call("t") == ("reject", "no_parts")

    def test_an_endless_split_is_stopped_and_closed(self) -> None:
        closed = []

        @a("split")
        def endless(text: str) -> Iterator[str]:
            try:
                while True:
                    yield text
            finally:
                closed.append(True)

        with pytest.raises(RecordTooLarge, match="more than 10 parts") as caught:
            Probe(endless, parts=10).call("t")
        assert caught.value.kind == "fanout"
        assert closed == [True]

    def test_a_split_that_stops_wrongly_is_a_failure(self) -> None:
        @a("split")
        def parts(text: str) -> Iterator[str]:
            yield text
            raise StopIteration

        with pytest.raises(StepError, match="RuntimeError"):
            Probe(parts).call("t")


JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**63), 2**64 - 1)
    | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
)


class TestFields:
    @given(JSON)
    def test_what_json_can_say_comes_back_equal(self, value: object) -> None:
        step = Probe(a("annotate", fields={"value": object})(lambda _text: {"value": value}))
        (returned,) = step.call("t")[1]
        assert returned == value
        assert repr(returned) == repr(value)

    def test_fields_are_passed_by_name(self) -> None:
        step = Probe(lambda text, language, *, score=0.5: f"{text} {language} {score}")
        assert step.call("t", {"language": "de", "other": 1}) == ("text", "t de 0.5")
        assert step.call("t", {"score": 1, "language": "de"}) == ("text", "t de 1")
        with pytest.raises(RecordError, match="The record has no field `language`") as caught:
            step.call("t", {"score": 1})
        assert caught.value.kind == "missing_field"

    def test_without_any_field_the_defaults_hold(self) -> None:
        assert Probe(lambda text, language="none": text + language).call("t") == ("text", "tnone")

    def test_a_field_that_is_changed_is_as_before_for_the_next(self) -> None:
        def spoil(text: str, words: list[str]) -> str:
            words.append("more")
            return str(len(words))

        step = Probe(spoil)
        fields = {"words": ["a"]}
        assert [step.call("t", fields) for _ in range(2)] == [("text", "2")] * 2
        assert fields == {"words": ["a"]}


def raising(exception: BaseException) -> Callable[[str], str]:
    def process(_text: str) -> str:
        raise exception

    return process


BUILT_IN = [
    value
    for value in vars(builtins).values()
    if isinstance(value, type)
    and issubclass(value, BaseException)
    and not issubclass(value, (MemoryError, UnicodeError, BaseExceptionGroup))
]


class TestExceptions:
    @pytest.mark.parametrize("exception", BUILT_IN)
    def test_whatever_a_step_raises_is_a_failure_of_the_record(self, exception: type[BaseException]) -> None:
        raised = exception("why")
        with pytest.raises(StepError, match=f"It raised `{exception.__name__}`: '?why") as caught:
            Probe(raising(raised)).call("t")
        assert caught.value.__cause__ is raised
        assert caught.value.step is not None

    def test_a_real_interrupt_is_one(self) -> None:
        with pytest.raises(KeyboardInterrupt):
            Probe(raising(KeyboardInterrupt()), interrupted=True).call("t")

    def test_no_memory_has_its_own_kind(self) -> None:
        with pytest.raises(StepMemoryExceeded):
            Probe(raising(MemoryError())).call("t")

    def test_odd_exceptions_are_told_safely(self) -> None:
        class Silent(Exception):
            def __str__(self) -> str:
                raise ValueError

        class Two(Exception):
            def __init__(self, one: int, two: int) -> None:
                super().__init__(one, two)

        class OddText(str):
            __slots__ = ()

            def __len__(self) -> int:
                raise AssertionError

        class Speaking(Exception):
            def __str__(self) -> str:
                return OddText("x" * 10_000)

        cyclic = ValueError("a")
        cyclic.__cause__ = TypeError("b")
        cyclic.__cause__.__cause__ = cyclic
        for exception, message in [
            (Silent(), "its message cannot be read: `ValueError`"),
            (Two(1, 2), r"\(1, 2\)"),
            (Speaking(), "x{1000}"),
            (cyclic, "ValueError`: a"),
            (ExceptionGroup("many", [ValueError("a")]), "many"),
            (ValueError("x" * 100_000_000), "x{1000}"),
        ]:
            with pytest.raises(StepError, match=message) as caught:
                Probe(raising(exception)).call("t")
            assert len(str(caught.value)) < 5_000

    def test_endless_recursion_is_a_failure(self) -> None:
        def deep(text: str) -> str:
            return deep(text)

        with pytest.raises(StepError, match="RecursionError"):
            Probe(deep).call("t")


class TestLife:
    def test_what_the_engine_made_is_closed(self) -> None:
        closed = []

        class Step:
            def __call__(self, text: str) -> str:
                return text

            def close(self) -> None:
                closed.append(self)

        mine = Step()
        for target in (Step, mine):
            step = Probe(target)
            assert isinstance(step.object(), Step)
            step.call("t")
            del step
        gc.collect()
        assert len(closed) == 1
        assert closed[0] is not mine

    @pytest.mark.parametrize("thread_safe", [False, True])
    def test_calls_take_turns_unless_the_step_is_safe(self, thread_safe: bool) -> None:
        inside, most = [], []

        @plugin(thread_safe=thread_safe)
        def slow(text: str) -> str:
            inside.append(text)
            most.append(len(inside))
            meeting.wait(0.2) if thread_safe else threading.Event().wait(0.02)
            inside.pop()
            return text

        meeting = threading.Barrier(2)
        step = Probe(slow)
        threads = [threading.Thread(target=step.call, args=("t",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(most) == (2 if thread_safe else 1)

    def test_a_step_may_use_itself(self) -> None:
        def again(text: str) -> str:
            return text if len(text) > 3 else step.call(text * 2)[1]

        step = Probe(again)
        assert step.call("a") == ("text", "aaaa")

    def test_numpy_texts_and_truth_values_are_understood(self) -> None:
        numpy = pytest.importorskip("numpy")
        verdict, made = Probe(lambda text: numpy.str_(text + "!")).call("a")
        assert (verdict, type(made), made) == ("text", str, "a!")
        assert Probe(a("filter")(lambda text: numpy.bool_(True))).call("a") == ("keep", None)
