"""An application's own requests and their answers: the file format, what it tells, and what is kept out."""

from llmcompat.workload.format import (
    Answer,
    Answers,
    Request,
    Skipped,
    WorkloadError,
    answers_path,
    read_answers,
    read_requests,
)

__all__ = [
    "Answer",
    "Answers",
    "Request",
    "Skipped",
    "WorkloadError",
    "answers_path",
    "read_answers",
    "read_requests",
]
