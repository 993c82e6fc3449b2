-- The ledger: every run, every trajectory with its tokens, every measurement, every checkpoint and every dollar.
--
-- Place in the data's way: station 10. The operator applies this file once, in one transaction with its row in
-- schema_migrations, and writes runs, attempts and pod_spend. Trainers write the rest, as members of trainyard_trainer,
-- in transactions that first lock their run's row and fail unless it names their attempt. Times are timestamptz,
-- durations are seconds, money is numeric US dollars and never a float.
--
-- A trajectory's key is (run_uid, step, prompt, sample): a step that is replayed takes the place of its former rows.

CREATE TABLE trainyard.runs (
    uid           text PRIMARY KEY,
    namespace     text NOT NULL,
    name          text NOT NULL,
    attempt       integer NOT NULL CHECK (attempt >= 1),
    created_at    timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz,
    last_write_at timestamptz
);
CREATE INDEX runs_by_name ON trainyard.runs (namespace, name);
COMMENT ON TABLE trainyard.runs IS 'One row per TrainingJob object; written by the operator.';
COMMENT ON COLUMN trainyard.runs.uid IS 'uid of the TrainingJob.';
COMMENT ON COLUMN trainyard.runs.namespace IS 'Namespace of the TrainingJob.';
COMMENT ON COLUMN trainyard.runs.name IS 'Name of the TrainingJob; a later object of the same name is another run.';
COMMENT ON COLUMN trainyard.runs.attempt IS 'Current attempt: a transaction of any other attempt is refused.';
COMMENT ON COLUMN trainyard.runs.created_at IS 'When the operator first wrote this row.';
COMMENT ON COLUMN trainyard.runs.ended_at IS 'When the run ended for good; null while it may go on.';
COMMENT ON COLUMN trainyard.runs.last_write_at IS
    'When a trainer last wrote; the one column a trainer may update, which locks the row for its transaction.';

CREATE TABLE trainyard.attempts (
    run_uid    text NOT NULL REFERENCES trainyard.runs (uid),
    attempt    integer NOT NULL CHECK (attempt >= 1),
    job_name   text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    reason     text,
    PRIMARY KEY (run_uid, attempt)
);
COMMENT ON TABLE trainyard.attempts IS 'One row per child Job of a run; written by the operator.';
COMMENT ON COLUMN trainyard.attempts.run_uid IS 'The run.';
COMMENT ON COLUMN trainyard.attempts.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN trainyard.attempts.job_name IS 'Name of the batch/v1 Job.';
COMMENT ON COLUMN trainyard.attempts.created_at IS 'When the operator decided to make it.';
COMMENT ON COLUMN trainyard.attempts.ended_at IS 'When its pod had ended; null while it may be running.';
COMMENT ON COLUMN trainyard.attempts.reason IS 'Why it ended, in the words of the failure table; null while it may be running.';

CREATE TABLE trainyard.trajectories (
    run_uid           text NOT NULL REFERENCES trainyard.runs (uid),
    step              integer NOT NULL CHECK (step >= 0),
    prompt            integer NOT NULL CHECK (prompt >= 0),
    sample            integer NOT NULL CHECK (sample >= 0),
    attempt           integer NOT NULL,
    group_id          text NOT NULL,
    task              text NOT NULL,
    question          text NOT NULL,
    expected          text NOT NULL,
    answer            text,
    status            text NOT NULL,
    truncated_reason  text,
    success           boolean,
    rewards           jsonb NOT NULL,
    total_reward      double precision,
    normalised_reward double precision,
    advantage         double precision NOT NULL,
    error             text,
    started_at        timestamptz NOT NULL,
    duration_seconds  double precision NOT NULL,
    PRIMARY KEY (run_uid, step, prompt, sample)
);
COMMENT ON TABLE trainyard.trajectories IS 'One row per rollout of a prompt.';
COMMENT ON COLUMN trainyard.trajectories.run_uid IS 'The run.';
COMMENT ON COLUMN trainyard.trajectories.step IS 'Step whose batch it belongs to, from 0.';
COMMENT ON COLUMN trainyard.trajectories.prompt IS 'Number of its prompt within the step, from 0.';
COMMENT ON COLUMN trainyard.trajectories.sample IS 'Number of this rollout among those of its prompt, from 0.';
COMMENT ON COLUMN trainyard.trajectories.attempt IS 'Attempt that wrote this row.';
COMMENT ON COLUMN trainyard.trajectories.group_id IS 'Trajectories of one group are normalised against each other.';
COMMENT ON COLUMN trainyard.trajectories.task IS 'Name of the task.';
COMMENT ON COLUMN trainyard.trajectories.question IS 'What the agent was asked.';
COMMENT ON COLUMN trainyard.trajectories.expected IS 'The right answer.';
COMMENT ON COLUMN trainyard.trajectories.answer IS 'The agent''s answer; null when it gave none.';
COMMENT ON COLUMN trainyard.trajectories.status IS 'ok, truncated, failed_environment, failed_reward or cancelled.';
COMMENT ON COLUMN trainyard.trajectories.truncated_reason IS 'Which limit cut it off.';
COMMENT ON COLUMN trainyard.trajectories.success IS 'The task''s verdict, independent of reward weights.';
COMMENT ON COLUMN trainyard.trajectories.rewards IS 'Raw rewards by name; null for one that was not a finite number.';
COMMENT ON COLUMN trainyard.trajectories.total_reward IS 'Weighted sum of the rewards; null when it could not be scored.';
COMMENT ON COLUMN trainyard.trajectories.normalised_reward IS '(reward - mean) / std of its group; null without a value.';
COMMENT ON COLUMN trainyard.trajectories.advantage IS 'What the loss weighs its tokens with.';
COMMENT ON COLUMN trainyard.trajectories.error IS 'What the environment or a reward raised.';
COMMENT ON COLUMN trainyard.trajectories.started_at IS 'When the rollout began.';
COMMENT ON COLUMN trainyard.trajectories.duration_seconds IS 'Wall time of the rollout, in seconds.';

CREATE TABLE trainyard.segments (
    run_uid         text NOT NULL,
    step            integer NOT NULL,
    prompt          integer NOT NULL,
    sample          integer NOT NULL,
    segment         integer NOT NULL CHECK (segment >= 0),
    token_ids       integer[] NOT NULL,
    mask            boolean[] NOT NULL CHECK (cardinality(mask) = cardinality(token_ids)),
    logprobs        double precision[] NOT NULL CHECK (cardinality(logprobs) = cardinality(token_ids)),
    policy_versions integer[] NOT NULL CHECK (cardinality(policy_versions) = cardinality(token_ids)),
    advantages      double precision[] CHECK (cardinality(advantages) = cardinality(token_ids)),
    parent          integer,
    fork_at         integer,
    PRIMARY KEY (run_uid, step, prompt, sample, segment),
    FOREIGN KEY (run_uid, step, prompt, sample)
        REFERENCES trainyard.trajectories (run_uid, step, prompt, sample) ON DELETE CASCADE
);
COMMENT ON TABLE trainyard.segments IS 'Token sequences of a trajectory, each trained as one row; a linear conversation has one.';
COMMENT ON COLUMN trainyard.segments.run_uid IS 'The run.';
COMMENT ON COLUMN trainyard.segments.step IS 'The trajectory''s step.';
COMMENT ON COLUMN trainyard.segments.prompt IS 'The trajectory''s prompt.';
COMMENT ON COLUMN trainyard.segments.sample IS 'The trajectory''s sample.';
COMMENT ON COLUMN trainyard.segments.segment IS 'Number of the segment within its trajectory, from 0.';
COMMENT ON COLUMN trainyard.segments.token_ids IS 'Token ids.';
COMMENT ON COLUMN trainyard.segments.mask IS 'True where the policy sampled the token.';
COMMENT ON COLUMN trainyard.segments.logprobs IS 'The sampler''s log-probabilities; null where it sampled nothing.';
COMMENT ON COLUMN trainyard.segments.policy_versions IS 'The optimizer''s counter when each token was sampled.';
COMMENT ON COLUMN trainyard.segments.advantages IS 'Advantage of each token; null when each has the trajectory''s.';
COMMENT ON COLUMN trainyard.segments.parent IS 'Segment whose history this one rewrote.';
COMMENT ON COLUMN trainyard.segments.fork_at IS 'Token of the parent at which they part.';

CREATE TABLE trainyard.turns (
    run_uid          text NOT NULL,
    step             integer NOT NULL,
    prompt           integer NOT NULL,
    sample           integer NOT NULL,
    turn             integer NOT NULL CHECK (turn >= 0),
    segment          integer NOT NULL,
    token_start      integer NOT NULL CHECK (token_start >= 0),
    token_end        integer NOT NULL CHECK (token_end >= token_start),
    role             text NOT NULL,
    text             text NOT NULL,
    tool_call        text,
    tool_result      text,
    temperature      double precision,
    max_new_tokens   integer,
    stop_ids         integer[],
    finish_reason    text,
    started_at       timestamptz NOT NULL,
    duration_seconds double precision NOT NULL,
    PRIMARY KEY (run_uid, step, prompt, sample, turn),
    FOREIGN KEY (run_uid, step, prompt, sample, segment)
        REFERENCES trainyard.segments (run_uid, step, prompt, sample, segment) ON DELETE CASCADE
);
COMMENT ON TABLE trainyard.turns IS
    'Who wrote which tokens: the state (prompt and what came before), the action (policy), the result (tool).';
COMMENT ON COLUMN trainyard.turns.run_uid IS 'The run.';
COMMENT ON COLUMN trainyard.turns.step IS 'The trajectory''s step.';
COMMENT ON COLUMN trainyard.turns.prompt IS 'The trajectory''s prompt.';
COMMENT ON COLUMN trainyard.turns.sample IS 'The trajectory''s sample.';
COMMENT ON COLUMN trainyard.turns.turn IS 'Number of the turn within its trajectory, from 0.';
COMMENT ON COLUMN trainyard.turns.segment IS 'Segment that token_start and token_end index.';
COMMENT ON COLUMN trainyard.turns.token_start IS 'First token.';
COMMENT ON COLUMN trainyard.turns.token_end IS 'One past the last token.';
COMMENT ON COLUMN trainyard.turns.role IS 'prompt, policy or tool.';
COMMENT ON COLUMN trainyard.turns.text IS 'The tokens as text, for people; U+FFFD where Postgres can''t hold a character.';
COMMENT ON COLUMN trainyard.turns.tool_call IS 'What the policy asked a tool.';
COMMENT ON COLUMN trainyard.turns.tool_result IS 'What the tool answered.';
COMMENT ON COLUMN trainyard.turns.temperature IS 'Sampling temperature; null where nothing was sampled.';
COMMENT ON COLUMN trainyard.turns.max_new_tokens IS 'Most tokens that the turn could have.';
COMMENT ON COLUMN trainyard.turns.stop_ids IS 'Token ids that end a turn.';
COMMENT ON COLUMN trainyard.turns.finish_reason IS 'stop or length.';
COMMENT ON COLUMN trainyard.turns.started_at IS 'When the turn began.';
COMMENT ON COLUMN trainyard.turns.duration_seconds IS 'Wall time of the turn, in seconds.';

CREATE TABLE trainyard.training_metrics (
    run_uid         text NOT NULL REFERENCES trainyard.runs (uid),
    kind            text NOT NULL CHECK (kind IN ('step', 'evaluation')),
    step            integer NOT NULL CHECK (step >= 0),
    attempt         integer NOT NULL,
    policy_version  integer NOT NULL,
    measurements    jsonb NOT NULL,
    timings         jsonb NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    reward_mean     double precision GENERATED ALWAYS AS ((measurements ->> 'reward_mean')::double precision) STORED,
    success_rate    double precision GENERATED ALWAYS AS ((measurements ->> 'success_rate')::double precision) STORED,
    loss            double precision GENERATED ALWAYS AS ((measurements ->> 'loss')::double precision) STORED,
    rollout_seconds double precision GENERATED ALWAYS AS ((timings ->> 'rollout_seconds')::double precision) STORED,
    update_seconds  double precision GENERATED ALWAYS AS ((timings ->> 'update_seconds')::double precision) STORED,
    step_seconds    double precision GENERATED ALWAYS AS ((timings ->> 'step_seconds')::double precision) STORED,
    PRIMARY KEY (run_uid, kind, step)
);
COMMENT ON TABLE trainyard.training_metrics IS
    'One row per step or evaluation; every measurement by name, the common ones as columns too.';
COMMENT ON COLUMN trainyard.training_metrics.run_uid IS 'The run.';
COMMENT ON COLUMN trainyard.training_metrics.kind IS 'step, or evaluation: measured on held-out questions.';
COMMENT ON COLUMN trainyard.training_metrics.step IS
    'For kind step the step itself, from 0; for kind evaluation the number of finished steps.';
COMMENT ON COLUMN trainyard.training_metrics.attempt IS 'Attempt that wrote this row.';
COMMENT ON COLUMN trainyard.training_metrics.policy_version IS 'The optimizer''s counter.';
COMMENT ON COLUMN trainyard.training_metrics.measurements IS 'Numbers by name that don''t depend on the clock.';
COMMENT ON COLUMN trainyard.training_metrics.timings IS 'Numbers by name that do: seconds, and counts per second.';
COMMENT ON COLUMN trainyard.training_metrics.recorded_at IS 'When this row was written.';
COMMENT ON COLUMN trainyard.training_metrics.reward_mean IS 'Mean reward of the step''s scored trajectories.';
COMMENT ON COLUMN trainyard.training_metrics.success_rate IS 'Share of successful trajectories, from 0 to 1.';
COMMENT ON COLUMN trainyard.training_metrics.loss IS 'Loss of the step''s last update.';
COMMENT ON COLUMN trainyard.training_metrics.rollout_seconds IS 'Wall time of the rollouts, in seconds.';
COMMENT ON COLUMN trainyard.training_metrics.update_seconds IS 'Wall time of the updates, in seconds.';
COMMENT ON COLUMN trainyard.training_metrics.step_seconds IS 'Wall time of the whole step, in seconds.';

CREATE TABLE trainyard.checkpoints (
    uri          text PRIMARY KEY,
    run_uid      text NOT NULL REFERENCES trainyard.runs (uid),
    attempt      integer NOT NULL,
    step         integer NOT NULL CHECK (step >= 0),
    digest       text NOT NULL,
    size_bytes   bigint NOT NULL CHECK (size_bytes >= 0),
    metrics      jsonb NOT NULL,
    parent_uri   text,
    committed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX checkpoints_by_run ON trainyard.checkpoints (run_uid, step);
COMMENT ON TABLE trainyard.checkpoints IS
    'Claims of trainers to have committed a checkpoint; the operator checks a claim before it makes an object of it.';
COMMENT ON COLUMN trainyard.checkpoints.uri IS 'Folder of the files, with a trailing slash.';
COMMENT ON COLUMN trainyard.checkpoints.run_uid IS 'Run that claims it.';
COMMENT ON COLUMN trainyard.checkpoints.attempt IS 'Attempt that wrote it.';
COMMENT ON COLUMN trainyard.checkpoints.step IS 'Finished steps it contains.';
COMMENT ON COLUMN trainyard.checkpoints.digest IS 'Digest of its manifest.json, as sha256:<hex>.';
COMMENT ON COLUMN trainyard.checkpoints.size_bytes IS 'Bytes of all files that the manifest lists.';
COMMENT ON COLUMN trainyard.checkpoints.metrics IS 'Measurements of its step by name, as decimal strings.';
COMMENT ON COLUMN trainyard.checkpoints.parent_uri IS 'Checkpoint that the run started from.';
COMMENT ON COLUMN trainyard.checkpoints.committed_at IS 'When the claim was written, right after COMMIT.';

-- No reference to runs: booking what a pod has cost must never fail for want of another row.
CREATE TABLE trainyard.pod_spend (
    pod_uid           text PRIMARY KEY,
    run_uid           text NOT NULL,
    namespace         text NOT NULL,
    name              text NOT NULL,
    pod_name          text NOT NULL,
    bound_at          timestamptz NOT NULL,
    ended_at          timestamptz NOT NULL CHECK (ended_at >= bound_at),
    rate_per_hour_usd numeric(18, 6) NOT NULL CHECK (rate_per_hour_usd >= 0),
    amount_usd        numeric(18, 6) NOT NULL CHECK (amount_usd >= 0)
);
CREATE INDEX pod_spend_by_name ON trainyard.pod_spend (namespace, name);
CREATE INDEX pod_spend_by_run ON trainyard.pod_spend (run_uid);
COMMENT ON TABLE trainyard.pod_spend IS 'What each ended pod has cost, booked once by the operator; trainers can''t read it.';
COMMENT ON COLUMN trainyard.pod_spend.pod_uid IS 'uid of the pod.';
COMMENT ON COLUMN trainyard.pod_spend.run_uid IS 'uid of its TrainingJob.';
COMMENT ON COLUMN trainyard.pod_spend.namespace IS 'Namespace of the TrainingJob.';
COMMENT ON COLUMN trainyard.pod_spend.name IS 'Name of the TrainingJob.';
COMMENT ON COLUMN trainyard.pod_spend.pod_name IS 'Name of the pod.';
COMMENT ON COLUMN trainyard.pod_spend.bound_at IS 'When it was bound to its node; billing began.';
COMMENT ON COLUMN trainyard.pod_spend.ended_at IS 'When billing ended.';
COMMENT ON COLUMN trainyard.pod_spend.rate_per_hour_usd IS 'Price per hour in US dollars, fixed when it was bound.';
COMMENT ON COLUMN trainyard.pod_spend.amount_usd IS 'What it cost in US dollars.';

-- A group role: logins of trainers are made its members by whoever makes those logins. Roles belong to the whole server,
-- so another database's migration may be making it at this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'trainyard_trainer') THEN
        CREATE ROLE trainyard_trainer NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

GRANT USAGE ON SCHEMA trainyard TO trainyard_trainer;
GRANT SELECT, UPDATE (last_write_at) ON trainyard.runs TO trainyard_trainer;
GRANT SELECT, INSERT, DELETE ON
    trainyard.trajectories, trainyard.segments, trainyard.turns, trainyard.training_metrics TO trainyard_trainer;
GRANT SELECT, INSERT ON trainyard.checkpoints TO trainyard_trainer;
