import io

from structlog.testing import capture_logs

from tidegate.server.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_one_line_a_stage():
    with capture_logs() as logs:
        show = Progress(io.StringIO())
        for done in range(100):
            show("weights", done, 100)
        show("tokenizer", 0, 1)
    assert [line["stage"] for line in logs] == ["weights", "tokenizer"]


def test_a_terminal_gets_a_bar_that_ends_its_line():
    screen = Terminal()
    show = Progress(screen)
    show("weights", 50, 100)
    show("weights", 50, 100)
    show("weights", 100, 100)
    assert screen.getvalue().count("\r") == 2
    assert screen.getvalue().endswith("100 %\n")


def test_an_unknown_total_is_no_error():
    show = Progress(Terminal())
    show("weights", 0, 0)
