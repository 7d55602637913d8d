-- Binary trees of depth 4 to 16, many short-lived ones beside one that lives on.
local function make(d) if d == 0 then return {} end return { make(d - 1), make(d - 1) } end
local function check(t) if not t[1] then return 1 end return 1 + check(t[1]) + check(t[2]) end
local stretch = check(make(17))
local long_lived = make(16)
local nodes = 0
for d = 4, 16, 2 do
  for _ = 1, 1 << (16 - d + 4) do nodes = nodes + check(make(d)) end
end
print(stretch + nodes + check(long_lived))
