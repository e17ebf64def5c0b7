import pytest

from devproxy.logs.levels import detect
from devproxy.logs.records import Record
from devproxy.logs.tracebacks import Grouper, Levels, is_traceback, joined, last_traceback

PYTHON = """\
INFO:     started
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    one()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    two()
ValueError: bad
INFO:     reloading"""
NODE = """\
listening
file:///app/server.js:10
  throw new Error("x");
        ^

Error: x
    at Object.<anonymous> (/app/server.js:10:9)
    at node:internal/main/run_main_module:17:47 {
  code: 'X'
}

Node.js v24.0.0"""


def records(text: str, service: str = "api") -> list[Record]:
    return [Record(seq, 0, service, "stdout", each, detect(each)) for seq, each in enumerate(text.split("\n"), 1)]


def test_the_lines_of_a_python_traceback_are_errors_though_other_services_print_in_between():
    levels = Levels()
    found = []
    for record in records(PYTHON):
        levels.of(Record(0, 0, "web", "stdout", "noise", None))
        found.append((record.text, levels.of(record)))
    assert [level for _, level in found] == ["info", *["error"] * 4, None, "error", None, *["error"] * 4, "info"]


def test_the_frames_of_a_node_stack_are_errors():
    levels = Levels()
    wanted = [record.text.strip()[:6] for record in records(NODE) if levels.of(record) == "error"]
    assert wanted == ["Error:", "at Obj", "at nod", "code: ", "}"]


def test_indented_lines_after_an_ordinary_one_are_no_errors():
    levels = Levels()
    assert [levels.of(record) for record in records("hello\n  at home\n    at (x:1)")] == [None, None, None]


def test_the_last_python_traceback_comes_whole_with_what_it_was_chained_to():
    assert [one.text for one in last_traceback(records(PYTHON))] == PYTHON.split("\n")[1:-1]


def test_of_two_separate_tracebacks_the_last_comes_alone():
    other = "Traceback (most recent call last):\n  File b\nOSError: later"
    assert "\n".join(one.text for one in last_traceback(records(f"{PYTHON}\n{other}\nbye"))) == other


def test_a_syntax_error_keeps_its_caret():
    text = (
        'Traceback (most recent call last):\n  File "m.py", line 2\n    def (:\n        ^\nSyntaxError: invalid syntax'
    )
    assert "\n".join(one.text for one in last_traceback(records(f"x\n{text}"))) == text


def test_an_exception_group_comes_with_its_members():
    text = (
        "  + Exception Group Traceback (most recent call last):\n  |   File a\n  | ExceptionGroup: two (2)\n"
        "  +-+---------------- 1 ----------------\n    | ValueError: 1\n    +------------------------------------"
    )
    assert "\n".join(one.text for one in last_traceback(records(f"x\n{text}"))).startswith(text)


def test_the_last_node_stack_comes_with_its_place_and_its_fields():
    assert [one.text for one in last_traceback(records(NODE))] == NODE.split("\n")[1:10]


def test_lines_without_a_traceback_have_none():
    assert last_traceback(records("a\nERROR: b\nc")) == []


def grouped(text: str) -> list[list[str]]:
    grouper = Grouper()
    groups = [group for record in records(text) for group in grouper.feed(record)] + grouper.flush()
    return [[record.text for record in group] for group in groups]


UVICORN = """\
ERROR:    Exception in ASGI application
Traceback (most recent call last):
  File "a.py", line 1, in run
ValueError: bad"""
JAVA = """\
2026-01-31 10:41:00,123 ERROR [main] c.e.App: request failed
java.lang.IllegalStateException: no user
\tat com.example.App.run(App.java:12) ~[app.jar:1.0]
\tat com.example.App.main(App.java:5)
Caused by: java.io.IOException: gone
\tat com.example.Db.get(Db.java:3)
\t... 2 more"""
JAVA_MAIN = """\
Exception in thread "main" java.lang.RuntimeException: x
\tat App.main(App.java:3)"""
RUBY = """\
app.rb:3:in 'foo': undefined local variable 'x' (NameError)
\tfrom app.rb:7:in 'bar'
\tfrom app.rb:9:in '<main>'"""
RAILS = """\
NoMethodError (undefined method 'x' for nil):

app/controllers/items_controller.rb:5:in 'index'
app/middleware/tag.rb:7:in 'call'"""
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.pick(...)
\t/app/main.go:9
main.main()
\t/app/main.go:5 +0x1d
exit status 2"""
RUST = """\
thread 'main' panicked at src/main.rs:2:5:
index out of bounds: the len is 3 but the index is 5
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:652:5
   1: app::main
             at ./src/main.rs:2:5"""
DOTNET = """\
Unhandled exception. System.InvalidOperationException: no
   at App.Run() in /app/Program.cs:line 12
   at App.Main()"""
PRISMA = """\
PrismaClientInitializationError:
Invalid `prisma.user.findMany()` invocation:

Can't reach database server
    at fn (/app/node_modules/client.js:10:5)
    at async main (/app/server.js:3:1)"""
CHAINED = "\n".join(PYTHON.split("\n")[1:-1])
ERRORS = [UVICORN, JAVA, JAVA_MAIN, RUBY, RAILS, GO, RUST, DOTNET, PRISMA, CHAINED]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_one_group_between_ordinary_lines(error: str):
    assert grouped(f"before\n{error}\nafter\nmore") == [["before"], error.split("\n"), ["after"], ["more"]]


@pytest.mark.parametrize("error", ERRORS)
def test_the_same_error_twice_is_two_groups(error: str):
    assert grouped(f"{error}\n{error}") == [error.split("\n")] * 2
    assert [one.text for one in last_traceback(records(f"{error}\n{error}"))] == error.split("\n")


def test_nodes_uncaught_error_is_one_group_with_its_place_and_its_fields():
    assert grouped(NODE) == [["listening"], NODE.split("\n")[1:10], [""], ["Node.js v24.0.0"]]


def test_errors_without_a_traceback_stay_apart_and_keep_no_other_lines():
    text = "ERROR one\nERROR two\nError: three\nnothing\nto do with it\n/a/path:7\nINFO four"
    assert grouped(text) == [[line] for line in text.split("\n")]


def line(seq: int, text: str, service: str = "api") -> Record:
    return Record(seq, seq, service, "stdout", text)


HEAD = "Traceback (most recent call last):"


def test_lines_of_other_services_wait_for_the_end_of_an_error_and_come_in_order():
    grouper = Grouper()
    for seq, text in ((1, HEAD), (3, "  File x"), (5, "E: x")):
        assert grouper.feed(line(seq, text)) == []
        assert grouper.feed(line(seq + 1, "noise", "web")) == []
    assert grouper.oldest == line(1, HEAD)
    done = grouper.feed(line(7, "next"))
    assert [[one.seq for one in group] for group in done] == [[2], [4], [1, 3, 5], [6], [7]]
    assert grouper.oldest is None


def test_an_error_that_never_ends_is_bounded_and_so_is_what_waits_for_it():
    grouper = Grouper()
    grouper.feed(line(1, HEAD))
    longest = waiting = 0
    for seq in range(2, 10_000, 2):
        for record in (line(seq, "  File x"), line(seq + 1, "noise", "web")):
            longest = max([longest, *map(len, grouper.feed(record))])
            waiting = max(waiting, len(grouper._ready))
    assert 900 < longest <= 1001
    assert waiting <= 1001


def test_an_error_as_one_record_has_the_number_of_its_last_line_and_the_time_of_its_first():
    lines = [line(3, HEAD), Record(5, 5, "api", "stdout", "E\ufffd", None, raw=b"E\xff")]
    one = joined(lines)
    assert (one.seq, one.time_us, one.level, one.lines) == (5, 3, "error", 2)
    assert one.data == HEAD.encode() + b"\nE\xff"
    assert joined(lines[:1]) is lines[0]
    assert not is_traceback(lines[:1])


@pytest.mark.parametrize(
    "before", ["", "ERROR: no\n", "Error: no\n at a:1:1\n", "panic: x\n\ngoroutine 1 [run]:\n"], ids=repr
)
@pytest.mark.parametrize("hostile", [" at " + ") [" * 20_000, "(" * 60_000, "Missing" * 9000, "A(A" * 20_000], ids=len)
def test_no_line_whatever_is_looked_at_for_long(before: str, hostile: str):
    # By the time limit of a test: an expression that goes back and forth in 60,000 characters needs minutes.
    lines = (before + f"{hostile}\n" * 3).splitlines()
    records = [Record(seq, seq, "api", "stdout", text, detect(text)) for seq, text in enumerate(lines)]
    last_traceback(records)
    levels = Levels()
    assert [levels.of(record) for record in records][-1] in (None, "error")
