"""LitServe with its batching (https://lightning.ai/docs/litserve/features/batching)."""

import sys

import litserve
import numpy as np
import numpy.typing as npt
from fastapi import Request

from benchmarks.contestants import runtimes
from benchmarks.contestants.job import Answer, answer, decode


class Classifier(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = runtimes.chosen()

    def decode_request(self, request: Request) -> npt.NDArray[np.uint8]:
        return decode(request["file"].file)

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self.model(images)

    def encode_response(self, output: np.float32) -> Answer:
        return answer(float(output))


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(max_batch_size=8, batch_timeout=0.01), accelerator="cpu")
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False
    )
