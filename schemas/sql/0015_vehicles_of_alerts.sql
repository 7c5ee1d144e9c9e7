-- Purpose: the lorry of an alert that was raised in the freight loop; 0 of all others.
ALTER TABLE alerts ADD COLUMN IF NOT EXISTS vehicle_id UInt64 DEFAULT 0 AFTER person_id
