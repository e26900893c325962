"""A supervisor's end of sd_notify's protocol."""
import os
import pathlib
import socket

from signer import PATIENCE_S


class Supervisor:
    """Listens on a socket whose name `environment` tells the process; a name that begins with '@' is abstract."""

    def __init__(self, name: str):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(PATIENCE_S)
        self.environment = {"NOTIFY_SOCKET": name}

    def next(self) -> str:
        return self.socket.recv(4096).decode()

    def until(self, message: str) -> list[str]:
        """All messages up to that one."""
        messages = []
        while message not in messages:
            messages.append(self.next())
        return messages

    def rest(self) -> list[str]:
        """What is still unread of a process that has ended."""
        self.socket.setblocking(False)
        messages = []
        try:
            while True:
                messages.append(self.next())
        except BlockingIOError:
            return messages

    def close(self):
        self.socket.close()
        if not self.name.startswith("@"):
            pathlib.Path(self.name).unlink(missing_ok=True)


def abstract_name() -> str:
    return f"@chamber-test-{os.getpid()}-{os.urandom(6).hex()}"
