# Allocation: complete binary trees, made and walked.
(defn make [d] (if (= d 0) [nil nil] [(make (- d 1)) (make (- d 1))]))
(defn check [t] (if (nil? (in t 0)) 1 (+ 1 (check (in t 0)) (check (in t 1)))))
(var nodes 0)
(repeat 40 (+= nodes (check (make 14))))
(print nodes)
