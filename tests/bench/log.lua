-- Takes 80000 lines of a log apart with a pattern of six groups; prints the bytes of the answers with status 200.
local lines = {}
for i = 0, 79999 do
  lines[#lines + 1] = "10.0." .. (i % 256) .. "." .. (i % 100) .. " - - [12/Mar/2024:10:" .. (10 + i % 50) ..
    ":00] \"GET /items/" .. i .. " HTTP/1.1\" " .. (i % 5 == 0 and 404 or 200) .. " " .. (100 + i % 900) .. "\n"
end
local text, sum = table.concat(lines), 0
for line in string.gmatch(text, "[^\n]+") do
  local host, time, verb, path, status, bytes =
    string.match(line, '^(%S+) %S+ %S+ %[([^%]]+)%] "(%S+) (%S+)[^"]*" (%d+) (%d+)$')
  if status == "200" then sum = sum + tonumber(bytes) end
end
print(sum)
