"""The signature of a model version: that it is as somebody with a key of their own released it.

It is one of OpenSSF Model Signing (https://github.com/sigstore/model-transparency) with an elliptic
curve key, over every file of the version. It lies beside the version's folder, and asks no network.
"""

from pathlib import Path

from model_store.store import ModelError, ModelVersion

SUFFIX = ".sig"


def check_signature(model: ModelVersion, public_key: Path) -> None:
    """Hold a version against its signature.

    Args:
        model: the version, whose files are all in its manifest.
        public_key: PEM, of who signed it.

    Raises:
        ModelError: there is no signature, it is of another key or of other files, or nothing is
            installed that can tell.
    """
    signature = model.path.with_name(model.path.name + SUFFIX)
    try:
        from model_signing import verifying
    except ImportError as error:
        raise ModelError(
            "A signature is asked for, but pneumoscope[signing] is not installed."
        ) from error
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    # A key of another kind, or none, is told by errors of many types.
    except Exception as error:
        raise ModelError(f"The public key {public_key} cannot be read.") from error
    if not signature.is_file():
        raise ModelError(f"The signature {signature} is missing.")
    try:
        config.verify(model.path, signature)
    # So are signatures that are broken, of another key, or of other files.
    except Exception as error:
        raise ModelError(f"The signature {signature} is not one of this model and key.") from error
