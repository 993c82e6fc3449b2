-- A checkpoint that holds a step's scored rollouts before the first of its updates is done.
--
-- Place in the data's way: station 10. Widens one rule; no row changes.

ALTER TABLE trainyard.checkpoints
    DROP CONSTRAINT checkpoints_updates_check,
    ADD CONSTRAINT checkpoints_updates_check CHECK (updates >= 0);
COMMENT ON COLUMN trainyard.checkpoints.updates IS
    'Updates done of the step after its finished ones, 0 once its rollouts are scored; null where it was taken between '
    'steps.';
