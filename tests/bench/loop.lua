-- A loop of integer arithmetic, written as a tail call per round.
local function loop(n, a) if n == 0 then return a end return loop(n - 1, a * 3 + n) end
print(loop(30000000, 1))
