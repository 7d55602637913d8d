-- Merge sort of 200 000 numbers on linked lists, with a comparator written in the language.
local function onto(l, done)
  while l do done, l = { l[1], done }, l[2] end
  return done
end
local function merge(before, a, b)
  local done
  while a and b do
    if before(b[1], a[1]) then done, b = { b[1], done }, b[2]
    else done, a = { a[1], done }, a[2] end
  end
  return onto(done, a or b)
end
local function sorted(before, n, l)
  if n == 1 then return { l[1] } end
  local half = n // 2
  local rest = l
  for _ = 1, half do rest = rest[2] end
  return merge(before, sorted(before, half, l), sorted(before, n - half, rest))
end
local l
local x = 42
for _ = 1, 200000 do
  l = { x, l }
  x = (x * 1103515245 + 12345) % 2147483648
end
l = sorted(function(a, b) return a < b end, 200000, l)
local sum = 0
while l do sum, l = sum * 31 + l[1], l[2] end
print(sum)
