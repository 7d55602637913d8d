-- A loop of integer multiply, add and remainder.
local a = 1
for n = 10000000, 1, -1 do a = (a * 3 + n) % 1000003 end
print(a)
