; A million frames of plain recursion, fifty times.
(import (rnrs))
(define (deep n) (if (= n 0) 0 (+ 1 (deep (- n 1)))))
(define (times n)
  (let ((value (deep 1000000)))
    (if (= n 1) value (times (- n 1)))))
(display (times 50))
(newline)
