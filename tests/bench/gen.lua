-- A generator: five million values, one switch into it and one out of it for each.
local generator = coroutine.wrap(function()
  local n = 0
  while true do coroutine.yield(n) n = n + 1 end
end)
local sum = 0
for _ = 1, 5000000 do sum = sum + generator() end
print(sum)
