-- Text: two million pieces, made of numbers and joined a thousand at a time.
local bytes = 0
for _ = 1, 2000 do
  local pieces = {}
  for n = 1, 1000 do pieces[n] = tostring(n) end
  bytes = bytes + #table.concat(pieces)
end
print(bytes)
