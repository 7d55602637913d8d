-- Lists and search: how many ways there are to place 11 queens; a placement is a list of rows.
local function free(row, distance, placed)
  while placed do
    local at = placed[1]
    if at == row or at == row + distance or at == row - distance then return false end
    distance, placed = distance + 1, placed[2]
  end
  return true
end
local function queens(n, left, placed)
  if left == 0 then return 1 end
  local count = 0
  for row = 1, n do
    if free(row, 1, placed) then count = count + queens(n, left - 1, { row, placed }) end
  end
  return count
end
print(queens(11, 11, nil))
