-- A priority queue (a leftist heap of tables): 60 000 numbers in and out; prints a sum that depends on their order.
local function rank(h) return h and h[1] or 0 end
local function make(x, a, b)
  if rank(a) >= rank(b) then return {1 + rank(b), x, a, b} end
  return {1 + rank(a), x, b, a}
end
local function merge(a, b)
  if not a then return b end
  if not b then return a end
  if a[2] <= b[2] then return make(a[2], a[3], merge(a[4], b)) end
  return make(b[2], b[3], merge(a, b[4]))
end
local h
for i = 0, 59999 do h = merge(h, {1, i * 7919 % 100003}) end
local i, sum = 0, 0
while h do
  sum = sum + i * h[2]
  h, i = merge(h[3], h[4]), i + 1
end
print(sum)
