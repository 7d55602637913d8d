-- The game of life on a torus of 64 by 64, 100 generations; prints the living cells.
local n = 64
local v = {}
for i = 0, n * n - 1 do v[i] = i * 7919 % 101 < 35 and 1 or 0 end
local function cell(v, x, y) return v[y % n * n + x % n] end
local function around(v, x, y)
  return cell(v, x - 1, y - 1) + cell(v, x, y - 1) + cell(v, x + 1, y - 1) + cell(v, x - 1, y)
    + cell(v, x + 1, y) + cell(v, x - 1, y + 1) + cell(v, x, y + 1) + cell(v, x + 1, y + 1)
end
for _ = 1, 100 do
  local next = {}
  for i = 0, n * n - 1 do
    local near = around(v, i % n, i // n)
    next[i] = near == 3 and 1 or near == 2 and v[i] or 0
  end
  v = next
end
local sum = 0
for i = 0, n * n - 1 do sum = sum + v[i] end
print(sum)
