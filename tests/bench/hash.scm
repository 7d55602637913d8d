; One million keys put into a table and looked up again, in another order, with misses among them.
(import (rnrs))
(define n 1000000)
(define m (make-eqv-hashtable))
(do ((i 0 (+ i 1))) ((= i n)) (hashtable-set! m (mod (* i 7919) 1048583) i))
(display
  (do ((i 0 (+ i 1))
       (sum 0 (+ sum (hashtable-ref m (* i 3) 1))))
      ((= i n) sum)))
(newline)
