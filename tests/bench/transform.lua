-- Reads 1.5 MB of JSON, adds up amounts by name and writes the result; prints its length and the sum.
-- Lua has no JSON; this reader knows what is in the text.
local items = {}
for i = 0, 24999 do
  items[#items + 1] = '{"id":' .. i .. ',"name":"n' .. (i % 97) .. '","amount":' .. (i * 31 % 1000) ..
    ',"tags":["a","b' .. i .. '"]}'
end
local text = "[" .. table.concat(items, ",") .. "]"
local find, sub = string.find, string.sub
local value
local function members(at, close, read)
  local made = {}
  if sub(text, at, at) == close then return made, at + 1 end
  while true do
    at = read(made, at)
    local c = sub(text, at, at)
    at = at + 1
    if c == close then return made, at end
  end
end
function value(at)
  local c = sub(text, at, at)
  if c == "{" then
    return members(at + 1, "}", function(made, at)
      local key, item
      key, at = value(at)
      item, at = value(at + 1)
      made[key] = item
      return at
    end)
  elseif c == "[" then
    return members(at + 1, "]", function(made, at)
      made[#made + 1], at = value(at)
      return at
    end)
  elseif c == '"' then
    local last = find(text, '"', at + 1, true)
    return sub(text, at + 1, last - 1), last + 1
  end
  local _, last = find(text, "^-?%d+", at)
  return tonumber(sub(text, at, last)), last + 1
end
local sums, names, sum = {}, {}, 0
for _, item in ipairs((value(1))) do
  local name = item.name
  if not sums[name] then names[#names + 1] = name end
  sums[name] = (sums[name] or 0) + item.amount
end
local out = {}
for _, name in ipairs(names) do
  out[#out + 1] = '"' .. name .. '":' .. sums[name]
  sum = sum + sums[name]
end
print(100 * sum + #("{" .. table.concat(out, ",") .. "}"))
