"""`python -m cxr_datasets.preview [FOLDER]`, which `make demo` runs."""

import sys

from cxr_datasets.preview.demo import main

if __name__ == "__main__":
    sys.exit(main())
