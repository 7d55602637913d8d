; Closures: a function doubled 23 times over, seventeen million calls.
(import (rnrs))
(define (twice f) (lambda (x) (f (f x))))
(define (tower k f) (if (= k 0) f (twice (tower (- k 1) f))))
(display ((tower 23 (lambda (x) (+ x 1))) 0))
(newline)
