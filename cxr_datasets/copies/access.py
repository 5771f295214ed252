"""`access`: the steps to be allowed to read a dataset, and which of them its server accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from cxr_datasets.builder.access import Access, Project, Step
from cxr_datasets.copies.ask import answer_to
from cxr_datasets.copies.gnu_wget import find_program
from cxr_datasets.copies.logins import check_login
from cxr_datasets.copies.sites import at_site
from cxr_datasets.errors import DownloadError, OptionError
from cxr_datasets.flags import check_flags
from cxr_datasets.packages import builder_class
from cxr_datasets.storage.logins import find_login, ways_to_log_in

ACCEPTED, MISSING, UNKNOWN = "accepted", "missing", "unknown"

_SIGNS = {ACCEPTED: "[x]", MISSING: "[!]", UNKNOWN: "[ ]"}
_ANSWERS = {
    200: "the server lets this login in",
    401: "the login is not accepted: the name or the password is wrong",
    403: "the login is accepted, but may not read this project yet",
    404: "the login is accepted, but the file by which was asked is not there",
    None: "no answer came: the server is down, or cannot be reached from here",
}


@dataclass(frozen=True)
class Checklist:
    """The steps to a dataset.

    Attributes:
        dataset: Its name.
        access: The steps, as the dataset declares them.
        states: State of each step: `accepted`, `missing` or `unknown`.
        answers: Name of a project -> what its server answered, in words.
        login: Where the login was found, in words; None: there is none, or nothing was asked.
        hint: What to do so that more is known; empty: nothing.
    """

    dataset: str
    access: Access
    states: tuple[str, ...]
    answers: Mapping[str, str]
    login: str | None = None
    hint: str = ""

    @property
    def problems(self) -> int:
        """Number of steps that the server says are missing."""
        return self.states.count(MISSING)

    def as_json(self) -> dict[str, Any]:
        """Give the steps with their states, and what was answered."""
        steps = zip(self.access.steps, self.states, strict=True)
        return {
            "dataset": self.dataset,
            "about": self.access.about,
            "login": self.login,
            "steps": [
                {
                    "title": step.title, "address": step.address, "about": step.about,
                    "parts": step.parts, "optional": step.optional, "state": state,
                }
                for step, state in steps
            ],
            "answers": self.answers,
            "hint": self.hint,
            "questions": self.access.questions,
        }  # fmt: skip

    def lines(self) -> Iterator[str]:
        """Write it line by line, for people."""
        yield f"Access to {self.dataset}. {self.access.about}"
        for number, step in enumerate(self.access.steps, 1):
            optional = " (optional)" if step.optional else ""
            yield ""
            yield f"{_SIGNS[self.states[number - 1]]} {number}. {step.title}{optional}"
            yield f"       {step.address}"
            if step.about:
                yield f"       {step.about}"
            yield from (f"       - {part}" for part in step.parts)
        if self.access.steps:
            yield ""
            yield "[x] the server accepts it  [!] it is missing  [ ] not known"
        if self.login:
            yield f"Asked with the login from {self.login}:"
        yield from (f"  {project}: {answer}" for project, answer in self.answers.items())
        if self.hint:
            yield self.hint
        if self.access.questions:
            yield f"Questions: {' or '.join(self.access.questions)}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def access(dataset: str, *, ask: bool = True) -> Checklist:
    """List the steps to be allowed to read a dataset, and which its server accepts already.

    With a login at hand, from `~/.netrc` or the environment, the server is asked once for each
    project, by a HEAD request of wget for a small file. Nothing is downloaded.

    Args:
        dataset: Name of the dataset, such as `my-cxr`.
        ask: Whether to ask the server.

    Returns:
        The steps and their states.

    Raises:
        OptionError: There is no such dataset, or a variable that names a host holds none.
        PackageError: Its package cannot be used, or declares no steps.
    """
    check_flags(ask=ask)
    declared = builder_class(dataset).ACCESS
    if declared is None:
        raise OptionError(
            f"{dataset} does not say how to get access to it. See its card, or its homepage."
        )
    plain = Checklist(dataset.replace("_", "-"), declared, (UNKNOWN,) * len(declared.steps), {})
    projects = [step.project for step in declared.steps if step.project]
    return _asked(plain, projects) if ask and projects else plain


def _asked(plain: Checklist, projects: list[Project]) -> Checklist:
    """Ask the server for each project, if there are a login and a program to ask by."""
    server = urlsplit(at_site(projects[0].file)).netloc
    login = find_login(server, {})
    if login is None:
        hint = f"No login was found, so the server was not asked. {ways_to_log_in(server)}"
        return replace(plain, hint=hint)
    try:
        check_login(login)
        program = find_program()
    except DownloadError as error:
        return replace(plain, hint=f"The server was not asked. {error}")
    answers = {
        project.name: answer_to(login, at_site(project.file), program) for project in projects
    }
    return replace(
        plain,
        states=tuple(_state(step, number, answers) for number, step in
                     enumerate(plain.access.steps)),
        answers={name: _told(answer) for name, answer in answers.items()},
        login=login.found,
    )  # fmt: skip


def _state(step: Step, number: int, answers: Mapping[str, int | None]) -> str:
    """Conclude from the answers whether a step is done.

    Who may read one project has done all that every project needs. A login that may not read has
    an account, at least; what is missing then is an agreement, or a step before it.
    """
    got = set(answers.values())
    if step.project:
        answer = answers[step.project.name]
        return ACCEPTED if answer in (200, 404) else MISSING if answer == 403 else UNKNOWN
    if step.optional:
        return UNKNOWN
    if got & {200, 404} or (number == 0 and 403 in got):
        return ACCEPTED
    return MISSING if number == 0 and 401 in got else UNKNOWN


def _told(answer: int | None) -> str:
    return _ANSWERS.get(answer, f"the server answered {answer}")
