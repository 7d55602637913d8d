-- One million keys put into a table and looked up again, in another order, with misses among them.
local m = {}
local n = 1000000
for i = 0, n - 1 do m[i * 7919 % 1048583] = i end
local sum = 0
for i = 0, n - 1 do sum = sum + (m[i * 3] or 1) end
print(sum)
