"""FastAPI with Keras' `model.predict`, or with the signature of the TensorFlow SavedModel.

The model is loaded in the lifespan, and the endpoint, which blocks, is no coroutine
(https://fastapi.tiangolo.com/advanced/events/, https://fastapi.tiangolo.com/async/).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from fastapi import FastAPI, UploadFile

from benchmarks.contestants import runtimes
from benchmarks.contestants.job import Answer, answer, decode

models: dict[str, runtimes.Predict] = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    models["classifier"] = runtimes.chosen()
    yield
    models.clear()


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(file: UploadFile) -> Answer:
    images = decode(file.file)[np.newaxis]
    return answer(models["classifier"](images)[0])
