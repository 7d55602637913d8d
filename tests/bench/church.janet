# Closures: a function doubled 23 times over, seventeen million calls.
(defn twice [f] (fn [x] (f (f x))))
(defn tower [k f] (if (= k 0) f (twice (tower (- k 1) f))))
(print ((tower 23 (fn [x] (+ x 1))) 0))
