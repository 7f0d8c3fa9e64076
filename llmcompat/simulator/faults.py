"""All named faults and harmless varieties: importing this module registers them."""

from llmcompat.simulator import (
    faults_answers,
    faults_endpoints,
    faults_errors,
    faults_providers,
    faults_requests,
    faults_responses,
    faults_streaming,
    faults_tools,
    harmless,
)
from llmcompat.simulator.register import FAULTS, HARMLESS, Fault, chosen

__all__ = ["AREAS", "FAULTS", "HARMLESS", "Fault", "chosen"]

AREAS = (
    faults_answers,
    faults_endpoints,
    faults_errors,
    faults_providers,
    faults_requests,
    faults_responses,
    faults_streaming,
    faults_tools,
    harmless,
)
"""The modules that declare faults."""
