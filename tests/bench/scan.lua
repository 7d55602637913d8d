-- Looks at 1 MB of text byte by byte; prints the deepest nesting of brackets and their number.
local text = string.rep("(def x (+ 1 23) (a))", 50000)
local depth, deepest, count = 0, 0, 0
for i = 1, #text do
  local c = string.sub(text, i, i)
  if c == "(" then
    depth, count = depth + 1, count + 1
    if depth > deepest then deepest = depth end
  elseif c == ")" then
    depth = depth - 1
  end
end
print(1000000 * deepest + count)
