import asyncio
import os
import sys
import threading

import pytest

from app.host.priority import in_background


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
def test_the_work_alone_has_the_lowest_priority() -> None:
    def work() -> list[int]:
        found = [priority()]
        started = threading.Thread(target=lambda: found.append(priority()))
        started.start()
        started.join()
        return found

    assert asyncio.run(in_background(work)) == [19, 19]
    assert priority() < 19
