"""Stop the installation when torch is not the build that the lock means.

The lock names torch without its CUDA libraries; where pip knows only the default index, Linux gets
a CUDA build that needs them, and every later error would be about a missing shared library.
"""

import os
import sys

try:
    import torch
except (ImportError, OSError, ValueError) as error:  # ValueError: a CUDA library is not found
    problem = f"cannot be imported ({error})"
else:
    is_wrong = torch.version.cuda is not None and os.environ.get("ATHANOR_TORCH") != "gpu"
    problem = f"{torch.__version__} is a CUDA build, expected the CPU build" if is_wrong else ""

if problem:
    sys.exit(
        f"torch {problem}.\n"
        "Set pip's extra index (PIP_EXTRA_INDEX_URL) to PyTorch's CPU index, as PyTorch's install "
        "page shows, then run `make clean` and try again; for a GPU set ATHANOR_TORCH=gpu."
    )
