namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>Every committed write of every row, recorded by the database itself.</summary>
/// <remarks>
/// A trigger draws the version while the writer holds the row's lock, and the next writer gets the lock only after that commit: for one row
/// the order of the versions is the order of the commits. What is rolled back takes its entry with it.
/// </remarks>
internal sealed class RowHistory(TestDatabase database)
{
    /// <summary>The column that merges raise. No other session of the campaign writes it.</summary>
    public const string VersionColumn = "revision";

    /// <summary>The caller whose merge this is.</summary>
    public static readonly AsyncLocal<string> Writer = new();

    /// <summary>Names the caller as the writer, in place of the session that several callers share.</summary>
    public static readonly Journal Signature = new(static (stack, result) => result.Changed
        ?
        [
            new("UPDATE history SET writer = $1 WHERE stack = $2 AND version = currval('row_versions')")
            {
                Parameters = { new() { Value = Writer.Value }, new() { Value = stack.Key } },
            },
        ]
        : []);

    public static async Task<RowHistory> CreateAsync(TestDatabase database)
    {
        await database.ExecuteAsync(
            """
            ALTER TABLE stacks ADD COLUMN revision bigint;
            CREATE SEQUENCE row_versions;
            CREATE TABLE history
            (
                stack   uuid,
                version bigint,
                writer  text NOT NULL,
                team_id uuid NULL,
                status  text NULL,
                env     jsonb NULL,
                revision bigint NULL,
                PRIMARY KEY (stack, version)
            );
            CREATE FUNCTION record_version() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' THEN
                    INSERT INTO history VALUES (OLD.id, nextval('row_versions'), current_setting('application_name'));
                ELSE
                    INSERT INTO history
                    VALUES (NEW.id, nextval('row_versions'), current_setting('application_name'), NEW.team_id, NEW.status, NEW.env_vars,
                            NEW.revision);
                END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER record_version AFTER INSERT OR UPDATE OR DELETE ON stacks FOR EACH ROW EXECUTE FUNCTION record_version();
            """);
        return new(database);
    }

    /// <summary>The newest version that is committed; 0 where there is none.</summary>
    public Task<long> NewestAsync(Guid stack) =>
        database.ScalarAsync<long>("SELECT coalesce(max(version), 0) FROM history WHERE stack = $1", stack);

    /// <summary>The row as it stands; <see langword="null"/> where there is none.</summary>
    public async Task<StackState?> RowAsync(Guid stack) =>
        (await ReadAsync(
            "SELECT 0::bigint, '', team_id, status, env_vars::text, revision FROM stacks WHERE id = $1", stack)).SingleOrDefault()?.State;

    /// <summary>All versions of one row, in the order of their commits.</summary>
    public Task<List<RowVersion>> OfAsync(Guid stack) =>
        ReadAsync("SELECT version, writer, team_id, status, env::text, revision FROM history WHERE stack = $1 ORDER BY version", stack);

    /// <summary>The sets that the journal recorded for one row, in the order of their commits.</summary>
    public async Task<List<string>> AuditedAsync(Guid stack) =>
        (await ReadAsync("SELECT id, '', stack, '', env::text, 0::bigint FROM audit WHERE stack = $1 ORDER BY id", stack)).ConvertAll(
            static entry => entry.State!.Env);

    private async Task<List<RowVersion>> ReadAsync(string sql, Guid stack)
    {
#pragma warning disable CA2100 // The texts above.
        await using var command = database.DataSource.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.Add(new() { Value = stack });
        await using var reader = await command.ExecuteReaderAsync();
        var versions = new List<RowVersion>();
        while (await reader.ReadAsync())
        {
            var state = await reader.IsDBNullAsync(4)
                ? null
                : new StackState(
                    reader.GetGuid(2), reader.GetString(3), EnvText.Of(EnvText.Parse(reader.GetString(4))),
                    await reader.IsDBNullAsync(5) ? 0 : reader.GetInt64(5));
            versions.Add(new(reader.GetInt64(0), reader.GetString(1), state));
        }

        return versions;
    }
}
