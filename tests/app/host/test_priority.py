import asyncio
import os
import subprocess
import sys
import threading

import pytest

from app.host.priority import in_background

_GIVEN_UP = """
import asyncio, time
from app.host.priority import in_background
async def main():
    asyncio.create_task(in_background(lambda: time.sleep(600)))
    await asyncio.sleep(0.1)
asyncio.run(main())
"""


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


def test_errors_are_those_of_the_work() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_background(lambda: 1 // 0))


def test_a_process_ends_without_waiting_for_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _GIVEN_UP], capture_output=True, text=True, check=True, timeout=60
    )

    assert ended.stderr == ""
