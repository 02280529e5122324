-- Targets of a file in turn, with a pause before each request: -- TARGETS DELAY_MS
local wants, at, pause = {}, 0, 0

function init(args)
  for line in io.lines(args[1]) do
    wants[#wants + 1] = wrk.format("GET", line)
  end
  pause = tonumber(args[2])
  if pause > 0 then
    delay = function() return pause end
  end
end

function request()
  at = at % #wants + 1
  return wants[at]
end
