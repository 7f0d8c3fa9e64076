"""The project file llmcompat.yaml: which endpoints an application uses, for what, and what it accepts."""

from llmcompat.project.file import FILE_NAME, Project, ProjectError, find_project, load_project
from llmcompat.project.schema import ProjectFile, TargetEntry, is_credential, variable_of, variables_in

__all__ = [
    "FILE_NAME",
    "Project",
    "ProjectError",
    "ProjectFile",
    "TargetEntry",
    "find_project",
    "is_credential",
    "load_project",
    "variable_of",
    "variables_in",
]
