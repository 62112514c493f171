"""Who is told of stages."""

import asyncio

from app.reading import stages


def test_stages_are_told_to_whoever_the_work_is_for() -> None:
    told: list[tuple[str, str]] = []

    async def work(stage: str) -> None:
        stages.passed(stage, 0.0, 1.0)

    async def request(name: str) -> None:
        stages.tell(lambda stage, began, seconds: told.append((name, stage)))
        await asyncio.create_task(work("decode"))

    async def both() -> None:
        await work("nobody's")
        await asyncio.gather(request("first"), request("second"))

    asyncio.run(both())
    assert told == [("first", "decode"), ("second", "decode")]
