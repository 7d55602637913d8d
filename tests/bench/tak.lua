-- Calls with three arguments.
local function tak(x, y, z)
  if y < x then return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)) end
  return z
end
local r
for _ = 1, 500 do r = tak(18, 12, 6) end
print(r)
