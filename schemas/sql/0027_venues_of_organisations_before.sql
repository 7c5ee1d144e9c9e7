-- Purpose: the same for what was in the directory before the index was there. Goes on in the background.
ALTER TABLE venues MATERIALIZE INDEX of_organisation
