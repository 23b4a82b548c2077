"""Which of several exit codes is told, and how a mistake is shown."""

from itertools import permutations

from worker.errors import Exit, Problem, UsageError, foremost


def test_the_first_of_a_fixed_order_is_told() -> None:
    order = [1, 77, 73, 4, 75, 64, 66, 5, 3, 0]
    assert sorted(Exit) == sorted(order)
    for one, other in permutations(Exit, 2):
        assert foremost([one, other]) == min(one, other, key=order.index)
    assert foremost([]) is Exit.OK


def test_a_problem_shows_its_place_the_line_with_a_caret_and_its_mend() -> None:
    problem = Problem("no such field", "did you mean 'key'?", "job.yaml", 7, 4, "\t  kee: a")
    assert str(problem).splitlines() == [
        "job.yaml:7:4: error: no such field",
        "    \t  kee: a",
        "    \t  ^",
        "    mend: did you mean 'key'?",
    ]
    assert str(Problem("wrong")) == "error: wrong"
    assert str(Problem("wrong", file="job.yaml")) == "job.yaml: error: wrong"


def test_a_usage_error_tells_all_its_problems() -> None:
    error = UsageError([Problem("one"), Problem("two", "mend it")])
    assert str(error) == "error: one\nerror: two\n    mend: mend it"
    assert UsageError("alone", "so").problems == (Problem("alone", "so"),)
