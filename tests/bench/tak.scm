; Calls with three arguments.
(import (rnrs))
(define (tak x y z)
  (if (< y x) (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y)) z))
(define (times n)
  (let ((value (tak 18 12 6)))
    (if (= n 1) value (times (- n 1)))))
(display (times 500))
(newline)
