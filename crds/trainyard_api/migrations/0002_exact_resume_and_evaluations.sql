-- What an exact continuation removes by, what evaluations answered, and words about runs.
--
-- Place in the data's way: station 10. No row of version 1 is rewritten, and none is refused: a trainer of an older image
-- that is running while this is applied goes on writing as before. So a column that such a trainer doesn't know is null.

ALTER TABLE trainyard.runs ADD COLUMN tags jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN trainyard.runs.tags IS 'Words about the run from its manifest, by name, as the newest attempt has them.';

ALTER TABLE trainyard.trajectories
    ADD COLUMN trained_step integer CHECK (trained_step >= step),
    ADD COLUMN turn_rewards double precision[];
CREATE INDEX trajectories_by_trained_step ON trainyard.trajectories (run_uid, (coalesce(trained_step, step)));
COMMENT ON COLUMN trainyard.trajectories.step IS 'Step that asked its prompt, from 0.';
COMMENT ON COLUMN trainyard.trajectories.trained_step IS
    'Step whose updates used it: later than step where it came late. Null: the same as step.';
COMMENT ON COLUMN trainyard.trajectories.turn_rewards IS
    'Weighted sum of the rewards of each policy turn; null where no reward was given by turn.';

ALTER TABLE trainyard.turns
    ADD COLUMN tool_ok boolean[],
    ADD COLUMN top_k integer,
    ADD COLUMN top_p double precision;
COMMENT ON COLUMN trainyard.turns.tool_ok IS
    'Whether each tool call of the turn succeeded, in order; false for one that could not be read, null without a call.';
COMMENT ON COLUMN trainyard.turns.top_k IS 'Tokens were drawn from this many most probable ones; null: from all.';
COMMENT ON COLUMN trainyard.turns.top_p IS
    'Tokens were drawn from the fewest most probable ones whose probabilities reach this sum; null: from all.';

ALTER TABLE trainyard.checkpoints ADD COLUMN updates integer CHECK (updates >= 1);
COMMENT ON COLUMN trainyard.checkpoints.updates IS
    'Updates done of the step after its finished ones; null where it was taken between steps.';

ALTER TABLE trainyard.training_metrics
    DROP CONSTRAINT training_metrics_kind_check,
    ADD CONSTRAINT training_metrics_kind_check CHECK (kind IN ('step', 'evaluation', 'validation', 'baseline'));
COMMENT ON COLUMN trainyard.training_metrics.kind IS
    'step; or evaluation, on test queries; validation, on validation queries; baseline, another policy on test queries.';
COMMENT ON COLUMN trainyard.training_metrics.step IS
    'For kind step the step itself, from 0; for the others the number of finished steps.';

CREATE TABLE trainyard.evaluations (
    run_uid     text NOT NULL REFERENCES trainyard.runs (uid),
    kind        text NOT NULL CHECK (kind IN ('evaluation', 'validation', 'baseline')),
    step        integer NOT NULL CHECK (step >= 0),
    attempt     integer NOT NULL,
    answers     integer NOT NULL CHECK (answers >= 0),
    result      jsonb,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_uid, kind, step)
);
COMMENT ON TABLE trainyard.evaluations IS
    'One row per measurement on queries that are never trained on; its numbers are in training_metrics.';
COMMENT ON COLUMN trainyard.evaluations.run_uid IS 'The run.';
COMMENT ON COLUMN trainyard.evaluations.kind IS
    'evaluation: test queries; validation: validation queries; baseline: another policy on test queries.';
COMMENT ON COLUMN trainyard.evaluations.step IS 'Number of finished steps.';
COMMENT ON COLUMN trainyard.evaluations.attempt IS 'Attempt that wrote this row.';
COMMENT ON COLUMN trainyard.evaluations.answers IS 'Number of its rows in evaluation_answers.';
COMMENT ON COLUMN trainyard.evaluations.result IS
    'What was concluded, as in status.progress.evaluation: difference, interval, p-value, verdict; null where nothing was.';
COMMENT ON COLUMN trainyard.evaluations.recorded_at IS 'When this row was written.';

CREATE TABLE trainyard.evaluation_answers (
    run_uid          text NOT NULL,
    kind             text NOT NULL,
    step             integer NOT NULL,
    question         integer NOT NULL CHECK (question >= 0),
    sample           integer NOT NULL CHECK (sample >= 0),
    query            text NOT NULL,
    expected         text NOT NULL,
    answer           text,
    status           text NOT NULL,
    success          boolean,
    rewards          jsonb NOT NULL,
    total_reward     double precision,
    policy_turns     integer NOT NULL CHECK (policy_turns >= 0),
    policy_tokens    integer NOT NULL CHECK (policy_tokens >= 0),
    tool_calls       integer NOT NULL CHECK (tool_calls >= 0),
    tool_calls_ok    integer NOT NULL CHECK (tool_calls_ok BETWEEN 0 AND tool_calls),
    error            text,
    started_at       timestamptz NOT NULL,
    duration_seconds double precision NOT NULL,
    PRIMARY KEY (run_uid, kind, step, question, sample),
    FOREIGN KEY (run_uid, kind, step) REFERENCES trainyard.evaluations (run_uid, kind, step) ON DELETE CASCADE
);
COMMENT ON TABLE trainyard.evaluation_answers IS 'One row per answer to a query of an evaluation.';
COMMENT ON COLUMN trainyard.evaluation_answers.run_uid IS 'The run.';
COMMENT ON COLUMN trainyard.evaluation_answers.kind IS 'The evaluation''s kind.';
COMMENT ON COLUMN trainyard.evaluation_answers.step IS 'The evaluation''s step.';
COMMENT ON COLUMN trainyard.evaluation_answers.question IS 'Number of the query, from 0; the same query in every evaluation.';
COMMENT ON COLUMN trainyard.evaluation_answers.sample IS 'Number of this answer among those to the query, from 0.';
COMMENT ON COLUMN trainyard.evaluation_answers.query IS 'What the agent was asked.';
COMMENT ON COLUMN trainyard.evaluation_answers.expected IS 'The right answer.';
COMMENT ON COLUMN trainyard.evaluation_answers.answer IS 'The agent''s answer; null when it gave none.';
COMMENT ON COLUMN trainyard.evaluation_answers.status IS 'ok, truncated, failed_environment, failed_reward or cancelled.';
COMMENT ON COLUMN trainyard.evaluation_answers.success IS 'The task''s verdict; null where there is none.';
COMMENT ON COLUMN trainyard.evaluation_answers.rewards IS 'Raw rewards by name; null for one that was not a finite number.';
COMMENT ON COLUMN trainyard.evaluation_answers.total_reward IS 'Weighted sum of the rewards; null when it could not be scored.';
COMMENT ON COLUMN trainyard.evaluation_answers.policy_turns IS 'Turns of the policy.';
COMMENT ON COLUMN trainyard.evaluation_answers.policy_tokens IS 'Tokens that the policy sampled.';
COMMENT ON COLUMN trainyard.evaluation_answers.tool_calls IS 'Tool calls, those that could not be read among them.';
COMMENT ON COLUMN trainyard.evaluation_answers.tool_calls_ok IS 'Tool calls that succeeded.';
COMMENT ON COLUMN trainyard.evaluation_answers.error IS 'What the environment or a reward raised.';
COMMENT ON COLUMN trainyard.evaluation_answers.started_at IS 'When the answer began.';
COMMENT ON COLUMN trainyard.evaluation_answers.duration_seconds IS 'Wall time of the answer, in seconds.';

GRANT SELECT, INSERT, DELETE ON trainyard.evaluations, trainyard.evaluation_answers TO trainyard_trainer;
