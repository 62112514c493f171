"""FastAPI with Keras' `model.predict`.

A SavedModel becomes a Keras layer by `TFSMLayer`
(https://keras.io/api/layers/backend_specific_layers/tfsm_layer/). The model is loaded in the
lifespan, and the endpoint, which blocks, is no coroutine
(https://fastapi.tiangolo.com/advanced/events/, https://fastapi.tiangolo.com/async/).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import keras
import numpy as np
from fastapi import FastAPI, UploadFile

from benchmarks.contestants.job import MODEL, Answer, answer, decode

models: dict[str, keras.Model] = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    layer = keras.layers.TFSMLayer(str(MODEL.path), call_endpoint="serving_default")
    image = keras.Input((224, 224, 1), dtype="uint8", name="image")
    models["classifier"] = keras.Model(image, layer(image)["probability"])
    yield
    models.clear()


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(file: UploadFile) -> Answer:
    images = decode(file.file)[np.newaxis]
    return answer(models["classifier"].predict(images, verbose=0)[0])
