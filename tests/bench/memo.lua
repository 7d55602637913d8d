-- The longest Collatz sequence below 200 000 with a table of known lengths; prints its start and length.
local m = {[1] = 1}
local function length(n)
  local known = m[n]
  if known then return known end
  local then_n
  if n % 2 == 0 then then_n = n // 2 else then_n = 3 * n + 1 end
  known = 1 + length(then_n)
  m[n] = known
  return known
end
local best, most = 0, 0
for n = 1, 199999 do
  local l = length(n)
  if l > most then best, most = n, l end
end
print(1000 * best + most)
