CREATE TABLE env_change_requests
(
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The id and not the slug: while a request waits, its slug may pass to another team's stack. No foreign key: the stack may go first.
    stack_id        uuid        NOT NULL,
    -- Emptied when the request is applied: a queue should not keep every secret that ever passed through it.
    changes         jsonb       CHECK (jsonb_typeof(changes) = 'object'
                                       AND NOT jsonb_path_exists(changes, 'strict $.* ? (@.type() <> "string" && @.type() <> "null")')),
    status          text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'applied', 'failed')),
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    error_code      text,
    reason          text,
    keys_set        integer,
    keys_deleted    integer,
    total_after     integer,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    CHECK (changes IS NOT NULL OR status = 'applied')
);

-- A claim reads both: the oldest request, and whether an earlier one of the same stack is still open.
CREATE INDEX env_change_requests_pending ON env_change_requests (id) WHERE status = 'pending';
CREATE INDEX env_change_requests_pending_of_stack ON env_change_requests (stack_id, id) WHERE status = 'pending';

-- The outcome of each request: the first that is written stands, and the primary key refuses any other. A merge writes its own in its own
-- transaction. No foreign key to the request: it would wait for the claim, which waits for the merge.
CREATE TABLE env_change_receipts
(
    request_id   bigint PRIMARY KEY,
    outcome      text   NOT NULL,
    error_code   text,
    reason       text,
    keys_set     integer,
    keys_deleted integer,
    total_after  integer
);

CREATE FUNCTION env_change_requests_notify() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    NOTIFY env_change_requests;
    RETURN NULL;
END
$$;

CREATE TRIGGER env_change_requests_notify AFTER INSERT ON env_change_requests
    FOR EACH STATEMENT EXECUTE FUNCTION env_change_requests_notify();
