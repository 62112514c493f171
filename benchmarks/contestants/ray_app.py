"""Ray Serve with its batching, behind FastAPI.

Batching: https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html
Uploads by FastAPI: https://docs.ray.io/en/latest/serve/http-guide.html
Blocking work in threads:
https://docs.ray.io/en/latest/serve/advanced-guides/asyncio-best-practices.html
"""

import asyncio
import sys

import numpy as np
import numpy.typing as npt
import ray
from fastapi import FastAPI, UploadFile
from ray import serve

from benchmarks.contestants import runtimes
from benchmarks.contestants.job import Answer, answer, decode

app = FastAPI()


# Ray Serve sends a replica five requests at once, unless told otherwise, which no batch of eight
# could be made of.
@serve.deployment(max_ongoing_requests=64)
@serve.ingress(app)
class Classifier:
    def __init__(self) -> None:
        self.model = runtimes.chosen()

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.01)
    async def infer(self, images: list[npt.NDArray[np.uint8]]) -> list[float]:
        return (await asyncio.to_thread(self.model, np.stack(images))).tolist()

    @app.post("/predict")
    async def predict(self, file: UploadFile) -> Answer:
        image = await asyncio.to_thread(decode, file.file)
        return answer(await self.infer(image))


if __name__ == "__main__":
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    # Of its decorators mypy does not know that they make a deployment of the class.
    quiet = {"enable_access_log": False}
    serve.run(Classifier.bind(), blocking=True, logging_config=quiet)  # type: ignore[attr-defined]
