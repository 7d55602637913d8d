-- The product of two matrices of 160 rows, tables of tables; prints the sum of the elements.
local n = 160
local function rows(f)
  local m = {}
  for i = 0, n - 1 do
    m[i] = {}
    for j = 0, n - 1 do m[i][j] = f(i, j) end
  end
  return m
end
local a = rows(function(i, j) return (i * 7 + j) % 10 end)
local b = rows(function(i, j) return (i + j * 3) % 10 end)
local c = rows(function(i, j)
  local sum, row = 0, a[i]
  for k = 0, n - 1 do sum = sum + row[k] * b[k][j] end
  return sum
end)
local sum = 0
for i = 0, n - 1 do for j = 0, n - 1 do sum = sum + c[i][j] end end
print(sum)
