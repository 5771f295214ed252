"""A loopback Hugging Face Hub: `server.py` says what it does, `client.py` how it is used."""

from tests.fakes.hub.client import Client, run_client
from tests.fakes.hub.connection import Asked
from tests.fakes.hub.faults import Fault
from tests.fakes.hub.repository import Repo
from tests.fakes.hub.routes import Account
from tests.fakes.hub.server import Hub

__all__ = ["Account", "Asked", "Client", "Fault", "Hub", "Repo", "run_client"]
