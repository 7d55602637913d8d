-- Builds a text of 40 000 lines by adding to its end; prints its length.
local s = ""
for n = 40000, 1, -1 do s = s .. "line " .. n .. "\n" end
print(#s)
