-- Reads 1 MB of CSV with quoted fields; prints the sum of a column and the bytes of the fields.
local lines = {}
for i = 0, 19999 do
  lines[#lines + 1] = i .. ",\"name " .. i .. ", the \"\"" .. (i % 7) .. "\"\" one\"," .. (i * 3) .. ",plain text\n"
end
local text = table.concat(lines)
local function parse(line)
  local fields, at, size = {}, 1, #line
  while at <= size do
    if string.sub(line, at, at) == '"' then
      local from, to = at + 1, at + 1
      while true do
        to = string.find(line, '"', to, true)
        if string.sub(line, to + 1, to + 1) ~= '"' then break end
        to = to + 2
      end
      fields[#fields + 1] = string.gsub(string.sub(line, from, to - 1), '""', '"')
      at = to + 2
    else
      local to = string.find(line, ",", at, true) or size + 1
      fields[#fields + 1] = string.sub(line, at, to - 1)
      at = to + 1
    end
  end
  return fields
end
local sum, bytes = 0, 0
for line in string.gmatch(text, "[^\n]+") do
  local fields = parse(line)
  sum = sum + tonumber(fields[3])
  for _, field in ipairs(fields) do bytes = bytes + #field end
end
print(1000 * sum + bytes)
