-- Breadth-first search in a graph of 100 000 nodes with three edges each; prints the sum of the distances.
local n, edges = 100000, {}
for i = 0, n - 1 do edges[i] = {(i + 1) % n, i * 7 % n, (i * 3 + 11) % n} end
local found, nodes, distance = {[0] = 0}, {0}, 1
while #nodes > 0 do
  local next = {}
  for _, node in ipairs(nodes) do
    for _, to in ipairs(edges[node]) do
      if not found[to] then
        found[to] = distance
        next[#next + 1] = to
      end
    end
  end
  nodes, distance = next, distance + 1
end
local sum = 0
for _, d in pairs(found) do sum = sum + d end
print(sum)
