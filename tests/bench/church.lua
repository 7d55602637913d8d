-- Closures: a function doubled 23 times over, seventeen million calls.
local function twice(f) return function(x) return f(f(x)) end end
local function tower(k, f) if k == 0 then return f end return twice(tower(k - 1, f)) end
print(tower(23, function(x) return x + 1 end)(0))
