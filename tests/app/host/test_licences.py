from app.host.licences import of_what_ships


def test_each_distribution_that_ships_has_a_licence() -> None:
    found = {name.lower(): licence for name, _, licence in of_what_ships()}

    assert {"pneumoscope", "fastapi", "starlette", "openvino", "numpy", "pydicom"} <= found.keys()
    assert found["pneumoscope"] == "Apache-2.0"
    assert found["fastapi"] == "MIT"
    # What Keras needs, which comes with TensorFlow, and what signatures need: in their files only.
    assert {name for name, licence in found.items() if "not stated" in licence} <= {
        "namex",
        "sigstore-models",
    }
    assert not [name for name, licence in found.items() if licence.startswith(("GPL", "AGPL"))]
