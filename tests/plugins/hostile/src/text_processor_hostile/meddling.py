"""B15: steps that change what they are given, and keep what they should let go."""

from text_processor import plugin

KEPT = []


@plugin(kind="annotate", fields={"tags": list, "details": dict})
def tag(text: str):
    result = {"tags": ["first"], "details": {"inner": {"count": 1}}}
    KEPT.append(result)
    return result


@plugin(after=["tag"])
def mutate(text: str, tags: list, details: dict) -> str:
    """Changes its arguments and, through the references that `tag` kept, what that step returned."""
    for values in (tags, KEPT[-1]["tags"]):
        values.append("forged")
    for values in (details, KEPT[-1]["details"]):
        values["inner"]["count"] = 666
        values["forged"] = True
    KEPT.append((tags, details))
    return text


@plugin(after=["mutate"])
def witness(text: str, tags: list, details: dict) -> str:
    """Tells what it was given."""
    return f"{text} {tags} {details}"
