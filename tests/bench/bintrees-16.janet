# Binary trees of depth 4 to 16, many short-lived ones beside one that lives on; a node is a tuple.
(defn make [d] (if (= d 0) [nil nil] [(make (- d 1)) (make (- d 1))]))
(defn check [t] (if (nil? (in t 0)) 1 (+ 1 (check (in t 0)) (check (in t 1)))))
(def stretch (check (make 17)))
(def long-lived (make 16))
(var nodes 0)
(loop [d :range-to [4 16 2]]
  (repeat (blshift 1 (+ (- 16 d) 4)) (+= nodes (check (make d)))))
(print (+ stretch nodes (check long-lived)))
