"""Runs a command in a network of its own: ``unshare --net with_address.py ADDRESS COMMAND...``.

There is nothing in it but the loopback, which has ADDRESS too: an address like that of a machine,
which no other machine can reach.
"""

import fcntl
import os
import socket
import struct
import sys

SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
UP_AND_RUNNING = 0x1 | 0x40

address, *command = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    up = struct.pack("16sH14x", b"lo", UP_AND_RUNNING)
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, up)
    inet = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
    fcntl.ioctl(any_socket, SIOCSIFADDR, struct.pack("16s16s8x", b"lo:1", inet))
os.execvp(command[0], command)
