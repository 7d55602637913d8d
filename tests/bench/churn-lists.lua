-- Lists that die young: made, mapped, filtered and summed, a thousand elements at a time.
local function numbers(n)
  local l
  for i = n, 1, -1 do l = { i, l } end
  return l
end
local function map(f, l) if l then return { f(l[1]), map(f, l[2]) } end end
local function filter(p, l)
  if not l then return nil end
  local rest = filter(p, l[2])
  if p(l[1]) then return { l[1], rest } end
  return rest
end
local function fold(f, value, l)
  while l do value, l = f(value, l[1]), l[2] end
  return value
end
local sum = 0
for n = 4000, 1, -1 do
  local l = map(function(x) return x * 3 + n end, numbers(1000))
  l = filter(function(x) return x % 2 == 0 end, l)
  sum = sum + fold(function(a, b) return a + b end, 0, l)
end
print(sum)
