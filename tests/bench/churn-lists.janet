# Lists that die young: made, mapped, filtered and summed, a thousand elements at a time; lists are
# arrays.
(var sum 0)
(loop [n :down-to [4000 1]]
  (+= sum (reduce + 0 (filter even? (map (fn [x] (+ (* x 3) n)) (range 1 1001))))))
(print sum)
