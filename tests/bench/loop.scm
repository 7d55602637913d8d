; A loop of integer multiply, add and remainder.
(import (rnrs))
(display
  (do ((n 10000000 (- n 1))
       (a 1 (mod (+ (* a 3) n) 1000003)))
      ((= n 0) a)))
(newline)
