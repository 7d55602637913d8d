-- Cuts 340 kB of source into tokens, byte by byte; prints their number and the bytes of the names.
local source = string.rep("(def {area-1} (* width (+ 12 3)))\n", 10000)
local size, sub, find = #source, string.sub, string.find
local function is_name(c) return c ~= "" and find("abcdefghijklmnopqrstuvwxyz0123456789-", c, 1, true) end
local i, tokens, bytes = 1, 0, 0
while i <= size do
  local c = sub(source, i, i)
  if find(c, "%s") then
    i = i + 1
  elseif is_name(c) then
    local last = i
    while is_name(sub(source, last, last)) do last = last + 1 end
    bytes = bytes + #sub(source, i, last - 1)
    tokens, i = tokens + 1, last
  else
    tokens, i = tokens + 1, i + 1
  end
end
print(1000 * tokens + bytes)
