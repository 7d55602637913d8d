; A generator: five million values, one switch into it and one out of it for each; here with prompts,
; for whole continuations are slow to take.
(import (rnrs) (ice-9 control))
(define (count n)
  (shift k (cons n k))
  (count (+ n 1)))
(define (drain n step sum)
  (if (= n 0)
      sum
      (drain (- n 1) ((cdr step) #f) (+ sum (car step)))))
(display (drain 5000000 (reset (count 0)) 0))
(newline)
