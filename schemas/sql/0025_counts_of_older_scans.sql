-- Purpose: counts what was stored before these counts were there. Goes on in the background; until it is done these scans
-- are counted from their rows.
ALTER TABLE scans_by_venue
    MATERIALIZE PROJECTION city_by_minute,
    MATERIALIZE PROJECTION places_by_hour,
    MATERIALIZE PROJECTION places_by_minute,
    MATERIALIZE PROJECTION venues_by_day,
    MATERIALIZE PROJECTION people_of_city_by_day,
    MATERIALIZE PROJECTION people_of_districts_by_day,
    MATERIALIZE PROJECTION people_of_categories_by_day
