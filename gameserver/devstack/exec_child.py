"""Becomes another program, after arranging that it ends with the process that started it.

    python -I -S exec_child.py <parent pid> <signal> <uid> <gid> <program> <argument>…

It runs between fork and the real program because ``preexec_fn`` is not safe in a process with
threads. A uid of -1 keeps the user. Linux sends ``signal`` when the parent goes, whatever ended it
(prctl(2), PR_SET_PDEATHSIG); elsewhere only the orderly stop remains.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    parent, signal_number, uid, gid = (int(text) for text in argv[1:5])
    # Loaded before the change of user, who may not be able to read Python's library.
    libc = ctypes.CDLL(None)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user: the kernel clears the setting when credentials change.
        libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)  # the parent went before the signal was arranged
    os.execv(argv[5], argv[5:])


if __name__ == "__main__":
    main(sys.argv)
