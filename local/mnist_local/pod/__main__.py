"""`python -m mnist_local.pod`."""

import sys

from mnist_local.pod.supervisor import main

sys.exit(main())
