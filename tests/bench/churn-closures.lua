-- Closures that die young: a hundred made at a time, each called once with what the last one gave.
local function adders(n)
  local l
  for i = n, 1, -1 do l = { function(x) return x + i end, l } end
  return l
end
local x = 0
for _ = 1, 50000 do
  local l = adders(100)
  while l do x, l = l[1](x), l[2] end
end
print(x)
