-- A cache of 1000 entries that drops the one not used for longest, asked 300 000 times; prints the hits.
local entries, size = {}, 0
local first, last = {}, {}
first.next, last.prev = last, first
local function unlink(e) e.prev.next, e.next.prev = e.next, e.prev end
local function append(e)
  e.prev, e.next = last.prev, last
  last.prev.next = e
  last.prev = e
end
local hits = 0
for i = 0, 299999 do
  local key = i * (i % 1013) % 3001
  local e = entries[key]
  if e then
    hits = hits + 1
    e.value = i
    unlink(e)
    append(e)
  else
    if size >= 1000 then
      local old = first.next
      unlink(old)
      entries[old.key] = nil
    else
      size = size + 1
    end
    e = {key = key, value = i}
    entries[key] = e
    append(e)
  end
end
print(hits)
