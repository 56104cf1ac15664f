# SPDX-License-Identifier: LGPL-2.1-or-later
"""A descriptor whose close waits, as that of a device that is reset: a TCP connection that lingers, with more to send than
its other end reads. Nothing but the end of that one lets it go on."""

import socket
import struct

SECONDS = 60


def connect(port):
    connection = socket.create_connection(('127.0.0.1', port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, SECONDS))
    try:
        while True:
            connection.send(bytes(65536), socket.MSG_DONTWAIT)
    except BlockingIOError:
        return connection
