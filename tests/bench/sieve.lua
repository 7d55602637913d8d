-- The primes below 1 000 000, sieved in a table; prints their sum.
local n, v = 1000000, {}
for i = 0, n - 1 do v[i] = 1 end
local p = 2
while p * p <= n do
  if v[p] == 1 then for i = p * p, n - 1, p do v[i] = 0 end end
  p = p + 1
end
local sum = 0
for i = 2, n - 1 do if v[i] == 1 then sum = sum + i end end
print(sum)
