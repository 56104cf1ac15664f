# SPDX-License-Identifier: LGPL-2.1-or-later
"""A descriptor whose close waits, as that of a device that is reset: a TCP connection that lingers, with more to send than
its other end reads. Nothing but the end of that one lets it go on."""

import socket
import struct

SECONDS = 60


def connect(port, small=False):
    """`small`: the other end has small buffers, too, and a test may have hundreds."""
    connection = socket.socket()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    connection.connect(('127.0.0.1', port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, SECONDS))
    try:
        while True:
            connection.send(bytes(65536), socket.MSG_DONTWAIT)
    except BlockingIOError:
        return connection


class Server:
    """Whom they are connected to."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.listen()
        self.port = self.socket.getsockname()[1]
        self.others = []

    def make(self, number):
        """So many descriptors that are slow to close."""
        fds = []
        for _ in range(number):
            fds.append(connect(self.port, small=True).detach())
            self.others.append(self.socket.accept()[0])
        return fds

    def let_go(self):
        """Their close ends."""
        while self.others:
            self.others.pop().close()

    def close(self):
        self.let_go()
        self.socket.close()
