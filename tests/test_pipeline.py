"""`Pipeline`: one text, many texts, and how pipelines are made and moved."""

import itertools
import math
import pickle
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from support.site import Site

from text_processor import ConfigError, Pipeline, PluginError, PluginNotFoundError, RecordError, Reject, plugin


def shout(text: str) -> str:
    """A function that other processes can import by its name."""
    return text.upper() + "!"


@plugin(kind="filter")
def no_digits(text: str) -> bool | Reject:
    """A filter with a reason."""
    return Reject("digits") if any(map(str.isdigit, text)) else True


@plugin(kind="split")
def words(text: str) -> list[str]:
    """A splitter."""
    return text.split()


def fail_on_bad(text: str) -> str:
    """A step that fails on one text."""
    if text == "bad":
        message = "it is bad"
        raise ValueError(message)
    return text


def test_steps_run_in_the_order_they_are_listed() -> None:
    assert Pipeline(["trim", shout, str.title]).process("  one two ") == "One Two!"
    assert Pipeline([str.title, shout, "trim"]).process("  one two ") == "ONE TWO !"


def test_a_step_takes_a_configuration() -> None:
    pipeline = Pipeline([("length", {"minimum": 2, "unit": "words"})])
    assert [pipeline.process(text) for text in ("one", "one two")] == [None, "one two"]


def test_no_step_changes_nothing() -> None:
    text = " as it was\n"
    assert Pipeline([]).process(text) is text


def test_a_text_that_no_step_changes_is_the_same_object() -> None:
    text = "nothing to trim: " + "é" * 1000
    assert Pipeline(["trim", lambda text: text, "trim-lines"]).process(text) is text


@pytest.mark.parametrize("text", ["", "\0", "e\u0301", "\U0001f600", "\ufffe\uffff", "a\r\nb\u2028c\u0085d\x0b\x0c"])
def test_texts_of_all_widths_pass_between_rust_and_python_unchanged(text: str) -> None:
    assert Pipeline([lambda text: text + "", "trim-lines", lambda text: text + ""]).process(f"|{text}|") == f"|{text}|"


def test_only_a_str_is_a_text() -> None:
    with pytest.raises(TypeError):
        Pipeline(["trim"]).process(b"bytes")  # type: ignore[arg-type]


def test_a_failing_step_raises_with_its_cause() -> None:
    with pytest.raises(RecordError) as caught:
        Pipeline(["trim", fail_on_bad]).process(" bad ")
    error = caught.value
    assert error.step is not None
    assert error.step.endswith("fail_on_bad")
    assert (error.kind, error.position, error.input) == ("step_error", None, None)
    assert isinstance(error.__cause__, ValueError)
    assert error.__cause__.__traceback__ is not None
    assert "it is bad" in str(error)


def test_many_texts_are_taken_one_by_one() -> None:
    taken: list[int] = []

    def texts() -> Iterator[str]:
        for number in itertools.count():
            taken.append(number)
            yield f" {number} "

    processed = Pipeline(["trim"]).process_many(texts())
    assert taken == []
    assert list(itertools.islice(processed, 3)) == ["0", "1", "2"]
    assert taken == [0, 1, 2]


def test_many_texts_keep_their_order_and_their_gaps() -> None:
    texts = [f" {number} " for number in range(5000)]
    pipeline = Pipeline(["trim", lambda text: text + "x", ("length", {"minimum": 3})])
    expected = [None if number < 10 else f"{number}x" for number in range(5000)]
    assert list(pipeline.process_many(texts)) == expected


def test_many_texts_go_on_after_a_failure() -> None:
    processed = Pipeline([fail_on_bad]).process_many(["one", "bad", "two"])
    assert next(processed) == "one"
    with pytest.raises(RecordError) as caught:
        next(processed)
    assert caught.value.position == 1
    assert list(processed) == ["two"]


def test_an_exception_of_the_iterable_arrives_as_it_is() -> None:
    def texts() -> Iterator[str]:
        yield "one"
        message = "the source ran dry"
        raise LookupError(message)

    processed = Pipeline(["trim"]).process_many(texts())
    assert next(processed) == "one"
    with pytest.raises(LookupError, match="ran dry"):
        next(processed)


@pytest.mark.parametrize("method", ["process", "process_many"])
def test_a_pipeline_that_splits_has_no_single_text_to_return(method: str) -> None:
    with pytest.raises(ConfigError, match="words") as caught:
        getattr(Pipeline([words]), method)("one two")
    assert "records" in caught.value.__notes__[0]


def test_one_str_is_no_list() -> None:
    with pytest.raises(TypeError):
        Pipeline("trim")
    with pytest.raises(TypeError):
        Pipeline(["trim"]).process_many("text")


@pytest.mark.parametrize("step", [5, None, ("trim",), ("trim", {}, {}), b"trim"])
def test_what_is_no_step_is_refused(step: object) -> None:
    with pytest.raises(TypeError, match="A step is"):
        Pipeline([step])  # type: ignore[list-item]


@pytest.mark.parametrize("configuration", [{"minimum": object()}, {"minimum": math.nan}, {5: 1}, {"minimum": 1 << 80}])
def test_a_configuration_holds_what_json_can_say(configuration: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Pipeline([("length", configuration)])


def test_a_name_that_is_no_step_is_refused_with_the_nearest_that_is() -> None:
    with pytest.raises(PluginNotFoundError, match=r"`trim-lins`.*`trim-lines`"):
        Pipeline(["trim-lins"])


@pytest.mark.parametrize("name", ["trim-lines", "trim_lines", "Trim.Lines", "text-processor/trim-lines"])
def test_names_are_compared_after_folding(name: str) -> None:
    assert Pipeline([name]).steps == ("trim-lines",)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match="`listed` or `auto`"):
        Pipeline([], order="sorted")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`quarantine` or `raise`"):
        Pipeline([], on_error="ignore")  # type: ignore[arg-type]


def test_a_pipeline_comes_from_a_file(tmp_path: Path, site: Site) -> None:
    site.install(
        "acme", {"shout": "acme_shout:process"}, modules={"acme_shout": "def process(text): return text.upper()\n"}
    )
    file = tmp_path / "pipeline.toml"
    file.write_text(
        '[pipeline]\ntext = "body"\non-error = "raise"\n\n[[step]]\nuse = "length"\nwith = { minimum = 2 }\n\n'
        '[[step]]\nuse = "acme/shout"\n',
        encoding="utf-8",
    )
    pipeline = Pipeline.from_file(file)
    assert pipeline.steps == ("length", "acme/shout")
    assert [record.text for record in pipeline.records([{"body": "ab"}])] == ["AB"]
    assert [record.fate for record in Pipeline.from_file(str(file)).records([{"body": "a"}])] == ["rejected"]


def test_discover_uses_and_orders_what_is_installed(site: Site) -> None:
    source = "from text_processor import plugin\n@plugin(after={after})\ndef process(text): return text + {mark!r}\n"
    for name, after in (("alpha", ["omega"]), ("omega", [])):
        plugins = {name: f"acme_{name}:process"}
        site.install(f"acme-{name}", plugins, modules={f"acme_{name}": source.format(after=after, mark=name[0])})
    steps = Pipeline.discover().steps
    assert steps.index("acme-omega/omega") < steps.index("acme-alpha/alpha")
    assert Pipeline(["alpha", "omega"], order="auto").process(".") == ".oa"
    with pytest.raises(PluginError, match=r"alpha.*omega"):
        Pipeline(["alpha", "omega"])


def test_a_pipeline_cannot_be_changed() -> None:
    pipeline = Pipeline(["trim"])
    assert pipeline.steps == ("trim",)
    with pytest.raises(AttributeError):
        pipeline.steps = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        pipeline.other = 1  # type: ignore[attr-defined]


def test_changing_what_it_was_made_of_changes_nothing() -> None:
    steps: list[object] = ["trim"]
    configuration = {"minimum": 1}
    pipeline = Pipeline([*steps, ("length", configuration)])  # type: ignore[list-item]
    steps.append("trim-lines")
    configuration["minimum"] = 100
    assert pipeline.process("a") == "a"


def test_its_repr_says_how_to_make_it_again() -> None:
    pipeline = Pipeline(["trim", ("replace", {"pattern": "a+", "replacement": "b"})])
    assert repr(pipeline).startswith("Pipeline(['trim', ('replace', {")
    again = eval(repr(pipeline), {"Pipeline": Pipeline})
    assert again.steps == pipeline.steps
    assert again.process(" caat ") == "cbt"
    assert "shout" in repr(Pipeline([shout]))


def test_a_pipeline_pickles_as_its_configuration() -> None:
    pipeline = Pipeline(["trim", ("length", {"minimum": 2}), shout, no_digits], text="body", id="key", on_error="raise")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(pipeline, protocol))
        assert again.steps == pipeline.steps
        assert repr(again) == repr(pipeline)
        assert [again.process(text) for text in (" one ", "a", "12")] == ["ONE!", None, None]
        with pytest.raises(RecordError):
            list(Pipeline([fail_on_bad], on_error="raise").records([{"text": "bad"}]))
        assert [record.text for record in again.records([{"body": " two "}])] == ["TWO!"]


def test_the_order_that_was_found_is_pickled(site: Site) -> None:
    source = "from text_processor import plugin\n@plugin(after=['trim'])\ndef process(text): return text + '.'\n"
    site.install("acme", {"dot": "acme_dot:process"}, modules={"acme_dot": source})
    pipeline = Pipeline(["dot", "trim"], order="auto")
    assert pipeline.steps == ("trim", "acme/dot")
    assert pickle.loads(pickle.dumps(pipeline)).process(" a ") == "a."


def answer(pipeline: Pipeline, connection: Connection) -> None:
    """What the spawned process does."""
    connection.send(pipeline.process(" one "))


def test_a_spawned_process_can_have_it() -> None:
    # A process and a pipe, not a pool: a pool needs semaphores, and those need a `/dev/shm` that can be written to.
    spawn = get_context("spawn")
    receiving, sending = spawn.Pipe(duplex=False)
    process = spawn.Process(target=answer, args=(Pipeline(["trim", shout]), sending))
    process.start()
    sending.close()
    answered = receiving.poll(30)
    received = receiving.recv() if answered else None
    process.join()
    receiving.close()
    assert (received, process.exitcode) == ("ONE!", 0)


def test_what_cannot_be_imported_cannot_be_pickled_and_says_so() -> None:
    def local(text: str) -> str:
        return text

    for step in (lambda text: text, local):
        with pytest.raises(pickle.PicklingError, match="cannot be pickled") as caught:
            pickle.dumps(Pipeline(["trim", step]))
        assert "top level of a module" in caught.value.__notes__[0]
