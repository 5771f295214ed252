"""A loopback PhysioNet: `server.py` says what it does."""

from tests.fakes.physionet.faults import (
    Fault,
    Flip,
    NotFound,
    Page,
    Refuse,
    Reset,
    Short,
    Stall,
    Status,
    Truncate,
    WholeBody,
)
from tests.fakes.physionet.messages import Request
from tests.fakes.physionet.server import PhysioNet
from tests.fakes.physionet.site import AGENTS, HOST, PASSWORD, USER

__all__ = [
    "AGENTS", "HOST", "PASSWORD", "USER", "Fault", "Flip", "NotFound", "Page", "PhysioNet",
    "Refuse", "Request", "Reset", "Short", "Stall", "Status", "Truncate", "WholeBody",
]  # fmt: skip
