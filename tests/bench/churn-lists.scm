; Lists that die young: made, mapped, filtered and summed, a thousand elements at a time.
(import (rnrs))
(define (numbers n done) (if (= n 0) done (numbers (- n 1) (cons n done))))
(define (rounds n sum)
  (if (= n 0)
      sum
      (rounds
        (- n 1)
        (+ sum (fold-left + 0 (filter even? (map (lambda (x) (+ (* x 3) n)) (numbers 1000 '()))))))))
(display (rounds 4000 0))
(newline)
