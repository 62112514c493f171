"""Where Keras and matplotlib write as soon as they are imported: not into the home directory.

TensorFlow brings both. The one writes a configuration that nobody here reads, the other a list of
fonts. They go into a folder that lasts as long as the process, unless KERAS_HOME and MPLCONFIGDIR
name others; one that lasts also keeps ImageNet's weights, once a training has downloaded them.
"""

import atexit
import os
from tempfile import TemporaryDirectory

_VARIABLES = ("KERAS_HOME", "MPLCONFIGDIR")

_folder = TemporaryDirectory(prefix="pneumoscope-")
atexit.register(_folder.cleanup)
for _variable in _VARIABLES:
    os.environ.setdefault(_variable, _folder.name)
