"""`feedserver check` as its users meet it: reports, choices, single files, repairs, exit statuses.

The reports are compared with those in `golden/check`; to write them anew after a wanted change, set the
environment variable UPDATE_GOLDEN, and review the difference.
"""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from builders import write_file
from click.testing import CliRunner, Result
from fluidattacks_core.sarif import SarifLog
from lint_yaml_cases import LINK, REST, article
from servers import REPOSITORY

from feedserver import __version__
from feedserver.cli.check_text import excerpt
from feedserver.cli.group import main
from feedserver.findings import FindingCode

GOLDEN = Path(__file__).resolve().parent / "golden" / "check"
FILES = {
    "_news/colon.md": article(f"title: Tides: a guide\n{REST}"),
    "_news/quote.md": article(f'title: "High water\ndate: 2025-03-04\n{LINK}'),
    "_news/wide.md": article(f"title: 潮の満ち引き: 案内\n{REST}"),
    "_news/several.md": article("titel: High water\ndate: 07/08/2022\nlink: javascript:alert(1)"),
    "_news/draft.md": article(f"title: Draft\n{REST}/draft\ndraft: true"),
    "_news/later.md": article(f"title: Later\ndate: 2999-01-02\n{LINK}/later"),
    "_news/sound.md": article(f"title: High water\n{REST}/sound"),
    "notes.md": "Just text.\n",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files in `articles`."""
    for name, text in FILES.items():
        write_file(tmp_path / "articles", name, text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*arguments: str, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["check", *arguments], input=text, prog_name="feedserver")


# --- Reports


@pytest.mark.parametrize("style", ["text", "compact", "json", "github", "sarif"])
def test_a_report_is_the_golden_one(site: Path, style: str) -> None:
    told = check("--format", style)
    shown = told.stdout.replace(f'"version": "{__version__}"', '"version": "VERSION"')
    golden = GOLDEN / f"report.{style}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")

    assert told.exit_code == 1
    assert shown == golden.read_text(encoding="utf-8")


def test_the_summary_counts_what_is_right_and_what_is_in_no_feed(site: Path) -> None:
    *_, last = check().stderr.splitlines()

    assert last == (
        "8 files, 2 articles without a finding: 5 errors, 1 warning; in no feed: 2 hidden, 1 later "
        "(--unshown lists them)"
    )


def test_sarif_follows_its_schema(site: Path) -> None:
    log = SarifLog.model_validate_json(check("--format", "sarif").stdout)
    (run,) = log.runs

    assert run.tool.driver.rules is not None
    assert run.results is not None
    for result in run.results:
        assert result.rule_index is not None
        assert run.tool.driver.rules[result.rule_index].id == result.rule_id


def test_a_check_without_findings_is_a_sarif_log_too(tmp_path: Path) -> None:
    write_file(tmp_path, "sound.md", FILES["_news/sound.md"])
    told = check(str(tmp_path), "--format", "sarif")

    assert SarifLog.model_validate_json(told.stdout).runs[0].results == []
    assert told.exit_code == 0


def test_a_fault_keeps_its_fingerprint_when_lines_before_it_come_and_go(tmp_path: Path) -> None:
    def fingerprints(front: str) -> list[object]:
        write_file(tmp_path, "a.md", article(front))
        (run,) = json.loads(check(str(tmp_path), "--format", "sarif").stdout)["runs"]
        return [one["partialFingerprints"] for one in run["results"]]

    assert fingerprints(f"title: A: b\n{REST}") == fingerprints(f"{REST}\ntags: [Tides]\ntitle: A: b")


def test_a_long_line_is_cut_around_its_place() -> None:
    line = "title: " + "x" * 200 + "y: z" + "x" * 200
    source, caret = excerpt(line, 209, 210)

    assert source.startswith("…")
    assert source.endswith("…")
    assert len(source) <= 102
    assert source[caret.index("^")] == ":"


# --- Colours


def on_a_terminal(site: Path, **environ: str) -> bytes:
    terminal, told = pty.openpty()
    command = [sys.executable, "-m", "feedserver", "check"]
    env = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(REPOSITORY), **environ}
    with subprocess.Popen(command, cwd=site, env=env, stdout=told, stderr=subprocess.DEVNULL) as process:
        os.close(told)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:
            pass  # how a terminal ends
        os.close(terminal)
        assert process.wait() == 1
    return shown


def test_a_terminal_gets_colours(site: Path) -> None:
    assert b"\x1b[31m" in on_a_terminal(site, NO_COLOR="")


def test_no_color_is_obeyed(site: Path) -> None:
    assert b"\x1b" not in on_a_terminal(site, NO_COLOR="1")


def test_a_pipe_gets_no_colours(site: Path) -> None:
    assert "\x1b" not in check().output


# --- Choices and exit statuses


@pytest.mark.parametrize(
    ("front", "arguments", "status"),
    [
        (f"title: High water\n{REST}", [], 0),
        (f"title: High water\n{REST}", ["--strict"], 0),
        (f"title: High water\n{REST}\ndratf: true", [], 0),
        (f"title: High water\n{REST}\ndratf: true", ["--strict"], 1),
        (f"title: High water\n{REST}\ndratf: true", ["--strict", "--ignore", "unknown-key"], 0),
        (f"title: A: b\n{REST}", [], 1),
        (f"title: A: b\n{REST}", ["--ignore", "bad-date,yaml-syntax"], 0),
        (f"title: A: b\n{REST}", ["--select", "bad-date", "--select", "no-title"], 0),
        (f"title: A: b\n{REST}", ["--select", "bad-date", "--select", "yaml-syntax"], 1),
        (f"title: A: b\n{REST}", ["--diff"], 1),
        (f"title: High water\n{REST}", ["--diff"], 0),
        (f"title: A: b\n{REST}", ["--fix"], 0),
        (f"title: High water\n{REST}", ["--select", "bad-dat"], 2),
        (f"title: High water\n{REST}", ["--format", "xml"], 2),
    ],
)
def test_the_exit_status_tells_whether_the_check_failed(
    tmp_path: Path, front: str, arguments: list[str], status: int
) -> None:
    write_file(tmp_path, "a.md", article(front))

    assert check(str(tmp_path), *arguments).exit_code == status


def test_a_mistyped_code_is_told_with_the_right_one(site: Path) -> None:
    told = check("--select", "bad-date,yaml-syntaxx")

    assert "did you mean yaml-syntax?" in told.stderr


def test_quiet_prints_what_fails_and_nothing_else(site: Path) -> None:
    told = check("--quiet", "--format", "compact")
    strict = check("--quiet", "--strict", "--format", "compact")

    assert {line.split()[1] for line in told.stdout.splitlines()} == {"error"}
    assert {line.split()[1] for line in strict.stdout.splitlines()} == {"error", "warning"}
    assert told.stderr == ""


@pytest.mark.parametrize("code", ["bad-date", "unknown-key", "symlink-loop"])
def test_a_code_is_explained_without_settings(tmp_path: Path, code: str) -> None:
    told = check("--explain", code, "--config", str(tmp_path / "missing.yaml"))

    assert told.exit_code == 0
    assert told.stdout.startswith(code)


# --- Single files and standard input


def test_a_single_file_keeps_the_name_that_it_was_given(site: Path) -> None:
    relative = check("articles/_news/colon.md", "--format", "compact")
    absolute = check(f"{site}/articles/_news/colon.md", "--format", "compact")

    assert relative.stdout.startswith("articles/_news/colon.md:2:13: error yaml-syntax")
    assert absolute.stdout.startswith(f"{site}/articles/_news/colon.md:2:13: error")
    assert relative.stderr.startswith("1 file, 0 articles without a finding: 1 error, 0 warnings")


def test_a_file_is_read_by_the_rules_of_its_folder(site: Path) -> None:
    write_file(site, "feedserver.yaml", "articles: [{path: articles, fields: {title: [titel]}}]\n")
    told = check("articles/_news/several.md", "--format", "compact")

    assert "unknown-key" not in told.stdout
    assert "bad-date" in told.stdout


def test_a_file_outside_of_all_folders_is_read_as_if_its_own_were_one(site: Path) -> None:
    write_file(site, "elsewhere/a.md", FILES["_news/colon.md"])
    told = check("elsewhere/a.md", "articles/_news/sound.md", "--format", "compact")

    assert told.stdout.startswith("elsewhere/a.md:2:13: error")
    assert told.exit_code == 1


def test_a_file_that_is_no_article_by_its_name_is_left_alone(site: Path) -> None:
    write_file(site, "articles/README.md", FILES["_news/colon.md"])
    told = check("articles/README.md")

    assert told.exit_code == 0
    assert "articles/README.md: is not read" in told.stderr


def test_standard_input_is_read_as_the_file_that_is_named(site: Path) -> None:
    name = "articles/_news/new.md"
    told = check("-", "--stdin-name", name, "--format", "compact", text=FILES["_news/wide.md"])

    assert told.stdout.startswith(f"{name}:2:14: error yaml-syntax")
    assert told.exit_code == 1


def test_standard_input_of_a_megabyte_too_much_is_refused(site: Path) -> None:
    told = check("-", "--format", "compact", text=b"x" * 1_100_000)

    assert "too-large" in told.stdout


@pytest.mark.parametrize("arguments", [["-", "articles"], ["-", "--fix"], ["-", "--diff"], ["nowhere.md"]])
def test_wrong_uses_of_files_are_refused(site: Path, arguments: list[str]) -> None:
    assert check(*arguments, text="").exit_code == 2


# --- Repairs


def test_a_repair_is_shown_and_made(site: Path) -> None:
    told = check("--fix")
    mended = (site / "articles/_news/colon.md").read_text(encoding="utf-8")

    assert '-title: Tides: a guide\n+title: "Tides: a guide"\n' in told.stdout
    assert mended == FILES["_news/colon.md"].replace("Tides: a guide", '"Tides: a guide"')
    assert "Mended 2 files." in told.stderr
    assert "3 errors" in told.stderr.splitlines()[-1]


def test_a_second_repair_changes_nothing(site: Path) -> None:
    check("--fix")
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*.md")}
    again = check("--fix")

    assert "Mended" not in again.stderr
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*.md")} == before


def test_diff_changes_no_file(site: Path) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*.md")}
    told = check("--diff")

    assert "+++ b/articles/_news/colon.md" in told.stdout
    assert {path: path.read_bytes() for path in site.rglob("*.md")} == before


def test_a_report_for_programs_is_not_mixed_with_a_diff(site: Path) -> None:
    told = check("--fix", "--format", "json")

    assert isinstance(json.loads(told.stdout), list)
    assert "+++ b/articles/_news/colon.md" in told.stderr


def test_only_chosen_findings_are_mended(site: Path) -> None:
    write_file(site, "articles/mark.md", "\ufeff" + FILES["_news/sound.md"])
    check("--fix", "--select", "byte-order-mark")

    assert not (site / "articles/mark.md").read_bytes().startswith(b"\xef\xbb\xbf")
    assert (site / "articles/_news/colon.md").read_text(encoding="utf-8") == FILES["_news/colon.md"]


def test_line_ends_are_changed_on_request_alone(site: Path) -> None:
    path = site / "articles/_news/sound.md"
    path.write_bytes(FILES["_news/sound.md"].replace("\n", "\r\n").encode())
    check("--fix")
    assert b"\r\n" in path.read_bytes()
    check("--fix", "--line-ends")
    assert path.read_text(encoding="utf-8") == FILES["_news/sound.md"]


def test_a_mended_file_keeps_its_rights_and_a_link_its_target(site: Path) -> None:
    path = site / "articles/_news/colon.md"
    path.chmod(0o640)
    (site / "articles/linked.md").symlink_to("_news/colon.md")
    check("articles/linked.md", "--fix")

    assert (site / "articles/linked.md").is_symlink()
    assert '"Tides: a guide"' in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".feedserver")]


def test_an_article_that_is_dated_by_its_file_is_left_as_it_is(site: Path) -> None:
    write_file(site, "feedserver.yaml", "dates: {fallback: mtime}\n")
    write_file(site, "articles/_news/undated.md", article(f"title: Tides: a guide\n{LINK}/undated"))
    told = check("--fix", "--select", "yaml-syntax")

    assert "undated.md: is left as it is: its article has no date but the modification time" in told.stderr
    assert "title: Tides: a guide" in (site / "articles/_news/undated.md").read_text(encoding="utf-8")


# --- Completion


def completed(words: str) -> list[str]:
    """The completions of a command line that ends with an incomplete word, as bash asks for them."""
    environ = {
        "_FEEDSERVER_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    result = CliRunner().invoke(main, [], env=environ, prog_name="feedserver")
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


def test_codes_are_completed_also_after_a_comma() -> None:
    assert completed("feedserver check --select bad-d") == ["bad-date", "bad-domain", "bad-duration"]
    assert completed("feedserver check --explain no-title,unknown-") == ["no-title,unknown-key"]


def test_every_code_can_be_completed() -> None:
    codes = {code.value for code in FindingCode} - {"unknown"}

    assert set(completed("feedserver check --ignore ")) == codes


def test_the_help_names_the_exit_statuses_and_examples() -> None:
    told = check("--help").stdout

    assert "Exit status: 0" in told
    assert re.search(r"^ +feedserver check --explain bad-date$", told, re.MULTILINE)


# --- The hooks for pre-commit


HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def test_the_guide_names_every_hook() -> None:
    guide = (REPOSITORY / "docs" / "guides" / "checking.md").read_text(encoding="utf-8")

    assert {hook["id"] for hook in HOOKS} <= set(re.findall(r"feedserver-[a-z-]+[a-z]", guide))


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_with_the_files_of_a_commit(site: Path, hook: dict[str, str]) -> None:
    program, *arguments = hook["entry"].split()
    told = CliRunner().invoke(main, [*arguments, "articles/_news/colon.md", "articles/notes.md"])

    assert program == "feedserver"
    assert told.exit_code == (0 if "--fix" in arguments else 1)
