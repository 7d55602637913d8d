; Closures that die young: a hundred made at a time, each called once with what the last one gave.
(import (rnrs))
(define (adders n done)
  (if (= n 0) done (adders (- n 1) (cons (lambda (x) (+ x n)) done))))
(define (through functions x)
  (if (null? functions) x (through (cdr functions) ((car functions) x))))
(define (rounds n x) (if (= n 0) x (rounds (- n 1) (through (adders 100 '()) x))))
(display (rounds 50000 0))
(newline)
