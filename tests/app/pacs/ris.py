"""A receiver of HL7 messages by another implementation: python-hl7's MLLP server."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import hl7
from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

from tests.app.pacs.network import LOCALHOST


class Ris:
    """Keeps the messages that it gets, and acknowledges them as it is told."""

    def __init__(self) -> None:
        self.port = 0
        self.messages: list[hl7.Message] = []
        self.code: str | None = "AA"
        self.control_id: str | None = None

    @contextmanager
    def listening(self) -> Iterator["Ris"]:
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(
            start_hl7_server(self._talk, host=LOCALHOST, port=self.port, encoding="utf-8")
        )
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _talk(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        message = await reader.readmessage()
        if self.code:
            answer = message.create_ack(self.code)
            if self.control_id:
                answer["MSA.F2"] = self.control_id
            if self.code == "AA":
                self.messages.append(message)
            writer.writemessage(answer)
            await writer.drain()
        writer.close()
