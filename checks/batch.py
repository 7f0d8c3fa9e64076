"""Batches: files and batch jobs are there for work that can wait; asked with --uses batch."""

from typing import Any

from llmcompat import MISSING, Api, Profile, Reply, check, dig, fail, note, probe


@probe(owner="files-listed", grounds=["hello"])
async def files_list(api: Api) -> Reply:
    """The list of uploaded files; nothing is uploaded."""
    return await api.get("files")


@probe(owner="batches-listed", grounds=["hello"])
async def batches_list(api: Api) -> Reply:
    """The list of batch jobs; none is begun."""
    return await api.get("batches")


def _judge_list(reply: Reply, profile: Profile) -> None:
    """Fail unless the reply is a list as OpenAI writes it; the entries are not looked into."""
    if reply.refused:
        offer = profile.features.get("batch")
        if offer is not None and not offer.offered:
            note(f"{profile.display_name} offers no batches: {', '.join(offer.sources) or 'by its profile'}")
        missing = reply.status in (404, 405, 501)
        reply.accepted(case="not-offered" if missing else "forbidden" if reply.status == 403 else None)
    reply.accepted()
    data: Any = dig(reply.document, "data")
    expected = '{"object": "list", "data": […]}'
    if reply.document is MISSING:
        fail(reply.excerpt, expected=expected, case="not-json")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        fail(reply.excerpt, expected=expected, case="shape")


@check(
    "files-listed",
    feature="batch",
    fix="Look for the provider's own way to upload a batch, or send the requests one by one at night.",
)
def files_listed(files_list: Reply, profile: Profile) -> None:
    """Files can be listed.

    A batch job begins with an uploaded file of requests and ends with files of answers.
    """
    _judge_list(files_list, profile)


@check(
    "batches-listed",
    feature="batch",
    fix="Send the requests one by one, paced below the rate limit, or use the provider's own batch API.",
)
def batches_listed(batches_list: Reply, profile: Profile) -> None:
    """Batch jobs can be listed.

    Scripts that submit work at night poll this path; nothing here begins a job, so that it costs nothing.
    """
    _judge_list(batches_list, profile)
