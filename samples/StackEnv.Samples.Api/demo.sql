-- What the sample needs beside the table of stacks: a column that counts the changes, and the table that AuditJournal writes to.
ALTER TABLE stacks ADD COLUMN version bigint NOT NULL DEFAULT 0;
CREATE TABLE audit_log
(
    id       bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    team_id  uuid        NOT NULL,
    kind     text        NOT NULL,
    resource text        NOT NULL,
    metadata jsonb       NOT NULL
);

-- Two teams, whose tokens are in appsettings.Development.json.
INSERT INTO stacks (slug, team_id, status, env_vars) VALUES
    ('shop', '11111111-1111-1111-1111-111111111111', 'healthy',
     '{"LOG_LEVEL": "debug", "OLD_FLAG": "1", "MAX_CONNECTIONS": "20", "API_TOKEN": "a-secret-that-is-never-shown",
       "DATABASE_URL": "postgres://shop:pass@db/shop", "SMTP_PASSWORD": "vault://kv/shop#smtp"}'),
    ('old-shop', '11111111-1111-1111-1111-111111111111', 'deleting', '{"LOG_LEVEL": "info"}'),
    ('globex-site', '22222222-2222-2222-2222-222222222222', 'healthy', '{}');
