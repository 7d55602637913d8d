-- Counts the words of 3 MB of text; prints how many there are, different ones and the most frequent's number.
local words = {}
for i = 0, 3999 do
  words[#words + 1] = "w" .. (i * i % 1999) .. string.sub("abcdefghij", 1, 1 + i % 10)
end
local text = string.rep(table.concat(words, " ") .. "\n", 100)
local counts, size, all, most = {}, 0, 0, 0
for w in string.gmatch(text, "%S+") do counts[w] = (counts[w] or 0) + 1 end
for _, n in pairs(counts) do
  size = size + 1; all = all + n
  if n > most then most = n end
end
print(1000000 * size + most + all)
