"""What client libraries make of deviations, from measurements that come with the package."""

from llmcompat.clients.facts import ClientInfo, breaks, clients, measured_ok

__all__ = ["ClientInfo", "breaks", "clients", "measured_ok"]
