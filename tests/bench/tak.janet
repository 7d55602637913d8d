# Calls with three arguments.
(defn tak [x y z]
  (if (< y x) (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y)) z))
(var value nil)
(repeat 500 (set value (tak 18 12 6)))
(print value)
