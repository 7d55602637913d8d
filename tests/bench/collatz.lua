-- Steps of all Collatz sequences below 100 000; prints their sum.
local sum = 0
for i = 1, 99999 do
  local n, count = i, 0
  while n ~= 1 do
    if n % 2 == 0 then n = n // 2 else n = 3 * n + 1 end
    count = count + 1
  end
  sum = sum + count
end
print(sum)
