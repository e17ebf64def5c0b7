from devproxy.cli.fold import Folder
from devproxy.logs.levels import detect
from devproxy.logs.records import Record
from devproxy.logs.tracebacks import Grouper, joined

MOMENT = 1_769_852_460_000_000
ERROR = 'Traceback (most recent call last):\n  File "a.py", line 1, in run\n  obj at 0x7f{0}\nValueError: bad'


def records(*texts: str, service: str = "api") -> list[Record]:
    lines = "\n".join(texts).split("\n")
    return [Record(seq, MOMENT, service, "stdout", line, detect(line)) for seq, line in enumerate(lines, 1)]


def shown(*texts: str) -> list[str]:
    folder = Folder()
    found = [one for record in records(*texts) for one in folder.feed(record)]
    return [one.text for one in [*found, *folder.flush()]]


def folds(lines: list[str]) -> list[str]:
    return [line.split(" since ")[0] for line in lines if "the same traceback" in line]


def test_the_first_time_a_traceback_is_shown_whole_and_then_counted():
    error = ERROR.format("1")
    lines = shown(error, "INFO: GET /", ERROR.format("2"), "INFO: GET /", ERROR.format("3"), "INFO: end")
    assert lines[:5] == [*error.split("\n"), "INFO: GET /"]
    assert folds(lines) == ["ValueError: bad  ×2", "ValueError: bad  ×3"]
    assert lines[-1] == "INFO: end"
    assert len(lines) == 4 + 3 + 2


def test_repeats_in_a_row_are_one_line():
    lines = shown(*[ERROR.format(number) for number in range(37)])
    assert len(lines) == 5
    assert folds(lines) == ["ValueError: bad  ×37"]


def test_a_traceback_that_goes_on_otherwise_is_shown():
    other = ERROR.format("1").replace("ValueError: bad", "KeyError: 'x'")
    assert shown(ERROR.format("1"), "a", other, "b")[5:] == [*other.split("\n"), "b"]
    cut = "\n".join(ERROR.format("1").split("\n")[:2])
    assert shown(ERROR.format("1"), "a", cut)[5:] == cut.split("\n")


def test_a_chained_traceback_that_begins_with_a_known_one_is_folded_up_to_there():
    chained = (
        ERROR.format("1")
        + "\n\nDuring handling of the above exception, another exception occurred:\n\n"
        + ERROR.format("2")
    )
    assert folds(shown(chained, "a", chained, "b")) == ["ValueError: bad  ×2"]
    lines = shown(chained, "a", ERROR.format("1"), "b")
    assert lines[-5:] == [*ERROR.format("1").split("\n"), "b"]  # not the same one


def test_services_are_told_apart():
    folder = Folder()
    lines = [
        one for name in ("api", "web") for record in records(ERROR, "end", service=name) for one in folder.feed(record)
    ]
    assert len(lines) == 10


def test_errors_that_come_as_one_record_are_folded_too():
    folder = Folder()
    grouper = Grouper()
    text = f"{ERROR}\nINFO: a\n{ERROR}\nINFO: b\n{ERROR}\nINFO: c"
    errors = [joined(group) for record in records(text) for group in grouper.feed(record) if len(group) > 1]
    lines = [one for error in errors for one in folder.feed(error)] + folder.flush()
    assert lines[0].lines == 4
    assert folds([one.text for one in lines]) == ["ValueError: bad  ×3"]


def test_what_is_held_back_is_shown_when_nothing_more_comes():
    folder = Folder()
    for record in records(ERROR + "\nend"):
        folder.feed(record)
    head = records(ERROR)[0]
    assert folder.feed(head) == []
    assert folder.settle() == []
    assert folder.flush() == [head]
