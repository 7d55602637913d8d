; Nothing: the time to start.
(import (rnrs))
