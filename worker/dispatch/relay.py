"""Relay: a picture is read as a process makes it, and written to where it belongs, which may be another region.

It is the way for what saveas refuses. Source: OSS, "Save processed images": a picture that is processed by its URL is
saved by uploading it.
"""

from contextlib import closing

from worker.dispatch.sender import Attempts, Outcome, Sender, Urgency
from worker.dispatch.throttle import Lane
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import get_processed, put_picture
from worker.oss.verdict import Failure, Picture, Saved, judge_picture, judge_put


class Relay:
    """Saves by a GET and a PUT; safe to use from many coroutines at once.

    Deadline and retries are those of one task: an attempt is a GET with its PUT, and whichever of them has to be
    repeated is another attempt. Only the GET takes a place among what is processed at once. The PUT goes first, so that
    what is held is not held for long.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def save(self, source: ObjectRef, size: int | None, process: str, target: ObjectRef) -> Outcome[Saved]:
        """Process a source of `size` bytes and save the result.

        Raises:
            Cut: The run was stopped before a picture was read, or in a pause before it was written.
        """
        attempts = self._sender.attempts()
        request = get_processed(source, process, keeps=True)
        got = await self._sender.call(request, _judge_got, Lane.WORK, size, attempts=attempts)
        if isinstance(got.verdict, Failure):  # nothing was written
            return Outcome(got.verdict, got.attempts, got.tries, touched=False, duration_s=got.duration_s)
        with closing(got.verdict.content):
            return await self._put(got.verdict, target, attempts)

    async def _put(self, picture: Picture, target: ObjectRef, attempts: Attempts) -> Outcome[Saved]:
        def judge(answer: Answer) -> Saved | Failure:
            return judge_put(answer, picture.content)

        request, gets = put_picture(target, picture.content, picture.content_type), attempts.made
        attempts.touched = False  # by the GET
        put = await self._sender.call(request, judge, urgency=Urgency.FINISHING, attempts=attempts)
        made = max(gets, put.attempts - 1)  # where no key was to be had, there was no PUT
        return Outcome(put.verdict, made, put.tries, put.touched, put.duration_s)


def _judge_got(answer: Answer) -> Picture | Failure:
    verdict = judge_picture(answer)
    if isinstance(verdict, Failure) and answer.content is not None:
        answer.content.close()
    return verdict
