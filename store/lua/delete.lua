-- Deletes a device.
-- KEYS  1 device hash  2 its history list  3 its outbox
-- Returns 1 if there was one, else 0.
redis.call('DEL', KEYS[2], KEYS[3])
return redis.call('DEL', KEYS[1])
