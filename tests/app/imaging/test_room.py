import threading
from concurrent.futures import ThreadPoolExecutor

from app.imaging.room import PixelRoom


def test_no_more_pixels_at_once_than_there_is_room_for() -> None:
    room, at_once, most = PixelRoom(100), 0, 0
    lock = threading.Lock()

    def work(pixels: int) -> None:
        nonlocal at_once, most
        with room.holding() as take:
            take(pixels)
            with lock:
                at_once += pixels
                most = max(most, at_once)
            threading.Event().wait(0.002)
            with lock:
                at_once -= pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [60, 30, 10, 70, 20] * 10))

    assert 60 < most <= 100


def test_an_image_of_more_pixels_than_that_has_it_alone() -> None:
    room = PixelRoom(100)

    with room.holding() as take:
        take(1000)
    with room.holding() as take:
        take(100)


def test_room_is_free_again_after_a_failure() -> None:
    room = PixelRoom(100)

    for _ in range(3):
        try:
            with room.holding() as take:
                take(100)
                raise ValueError
        except ValueError:
            continue
