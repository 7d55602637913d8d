; Text: two million pieces, made of numbers and joined a thousand at a time.
(import (rnrs))
(define (pieces n done)
  (if (= n 0) done (pieces (- n 1) (cons (number->string n) done))))
(define (rounds n bytes)
  (if (= n 0)
      bytes
      (rounds (- n 1) (+ bytes (string-length (apply string-append (pieces 1000 '())))))))
(display (rounds 2000 0))
(newline)
