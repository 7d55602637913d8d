# Closures that die young: a hundred made at a time, each called once with what the last one gave.
(defn adders [n]
  (def functions @[])
  (loop [i :range-to [1 n]] (array/push functions (fn [x] (+ x i))))
  functions)
(var x 0)
(repeat 50000 (each f (adders 100) (set x (f x))))
(print x)
