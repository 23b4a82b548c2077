"""The conclusion: how a run ended, from what its processes have done, and the summary that says so."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Literal

import msgspec

from worker.batch.record import timestamp
from worker.dispatch.outcome import Outcome, Trouble
from worker.dispatch.stopping import Reason
from worker.dispatch.tally import Tally
from worker.errors import Exit, foremost
from worker.sources.enumeration import Enumeration
from worker.summary import OUTCOMES, Summary
from worker.timeline import Event, rows

# Ends of which no task tells anything.
_BESIDE_TASKS = frozenset({Exit.UNEXPECTED, Exit.RESULTS})
# What says that all tasks have an outcome.
_FINISHED = frozenset({Exit.OK, Exit.FAILED, Exit.NOTHING_SELECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a summary tells beside the counts. `took_s` is how long the run took until `ended`.

    `requests` counts those of this very process, by method; `events` are what happened to it.
    """

    command: Literal["run", "retry"]
    job: str
    run: str
    shard: str
    proc: str
    endpoint: str
    ended: datetime
    took_s: float
    manifest_digest: str
    settings_digest: str
    processes: Sequence[str]
    requests: Mapping[str, int]
    events: Sequence[Event]
    notes: Sequence[str]


def how_it_ended(outcomes: Sequence[Outcome], total: Tally, enumeration: Enumeration | None, accept: int) -> Exit:
    """The exit code of a run, where up to `accept` tasks may fail for good."""
    sent = sum(outcome.sent for outcome in outcomes)
    codes = [
        _told(trouble.exit_code, sent=sent, saved=total.saved) for outcome in outcomes for trouble in outcome.troubles
    ]
    undone = [outcome for outcome in outcomes if outcome.undone]
    answered = [outcome.refused for outcome in outcomes if outcome.refused is not None]
    if answered and all(answered) and not total.saved:
        codes.append(Exit.REFUSED)
    elif undone and any(outcome.stopped is Reason.ACCESS for outcome in outcomes):
        # One process met nothing but refusals and stopped the others, which have not, or not always.
        codes.append(Exit.STOPPED)
    if any(outcome.stopped is Reason.SIGNAL for outcome in undone):
        codes.append(Exit.INTERRUPTED)
    if any(outcome.stopped is Reason.DURATION or outcome.closed for outcome in undone):
        codes.append(Exit.UNFINISHED)
    if enumeration is not None and enumeration.empty:
        codes.append(Exit.NOTHING_SELECTED)
    if total.failed > accept:
        codes.append(Exit.FAILED)
    unexplained = any(outcome.stopped is None and not outcome.closed for outcome in undone)
    if unexplained or (undone and _FINISHED.issuperset(codes)):
        # The counts do not add up: nobody may take this run for complete.
        codes.append(Exit.UNEXPECTED)
    return foremost(codes)


def _told(code: Exit, *, sent: int, saved: int) -> Exit:
    """The exit of trouble on the way: "nothing was sent" and "nothing was saved" are told only where it is true."""
    if (code is Exit.USAGE and sent) or (code is Exit.REFUSED and saved):
        return Exit.STOPPED
    return code


def summarize(
    outcomes: Sequence[Outcome], enumeration: Enumeration | None, accept: int, about: Circumstances
) -> Summary:
    """The summary of a run. `enumeration` is None where it did not come to that."""
    total, requests, events = Tally(), Counter(about.requests), list(about.events)
    for outcome in outcomes:
        total.add(outcome.tally)
        requests.update(outcome.requests)
        events.extend(outcome.events)
    code = how_it_ended(outcomes, total, enumeration, accept)
    troubles = [trouble for outcome in outcomes for trouble in outcome.troubles]
    empty = enumeration.empty if enumeration else []
    return Summary(
        command=about.command,
        job=about.job,
        run=about.run,
        shard=about.shard,
        proc=about.proc,
        processes=list(about.processes),
        outcome=OUTCOMES[code],
        exit=code,
        endpoint=about.endpoint,
        started=timestamp(about.ended - timedelta(seconds=about.took_s)),
        ended=timestamp(about.ended),
        enumeration="complete" if all(outcome.complete for outcome in outcomes) else "partial",
        listed=enumeration.listed if enumeration else 0,
        selected=enumeration.selected if enumeration else 0,
        not_selected={str(reason): count for reason, count in enumeration.not_selected.items()} if enumeration else {},
        duplicates=enumeration.duplicates if enumeration else 0,
        planned=total.planned,
        saved=total.saved,
        already_saved=total.already_saved,
        skipped=total.skipped,
        failed=total.failed,
        failed_before=total.failed_before,
        not_attempted=total.not_attempted,
        attempts=total.attempts,
        tries=dict(total.tries),
        requests=dict(requests),
        source_bytes=total.source_bytes,
        target_bytes=total.target_bytes,
        manifest_digest=about.manifest_digest,
        settings_digest=about.settings_digest,
        first_error=_first_error(code, total, troubles),
        notes=[
            *about.notes,
            *(trouble.message for trouble in troubles),
            *(f"{entry.place}: this entry selected nothing" for entry in empty),
        ],
        events=sorted(events, key=attrgetter("at")),
        timeline=list(rows(total.columns)),
    )


def _first_error(code: Exit, total: Tally, troubles: Sequence[Trouble]) -> dict[str, object] | None:
    """What to hear of first: the error of a task, or what was in the way where that says more of the end."""
    deciding = next((trouble for trouble in troubles if trouble.exit_code is code), None)
    if total.first_error is not None and (deciding is None or code not in _BESIDE_TASKS):
        found: dict[str, object] = msgspec.to_builtins(total.first_error)
        return found
    trouble = deciding or next(iter(troubles), None)
    return {"message": trouble.message} if trouble else None
