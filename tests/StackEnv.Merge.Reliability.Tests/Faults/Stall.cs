namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>Where the server is made to take its time. The names are those of the keys that ask for it.</summary>
internal static class Stall
{
    public const string InWrite = "STALL_IN_WRITE";
    public const string InCommit = "STALL_IN_COMMIT";

    /// <summary>
    /// Triggers that sleep for as many seconds as the key's value begins with: one in the UPDATE, one that COMMIT waits for.
    /// </summary>
    public const string Ddl =
        $"""
        CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(split_part(NEW.env_vars ->> TG_ARGV[0], ' ', 1)::float8); RETURN NEW; END $$;
        CREATE TRIGGER stall_in_write BEFORE UPDATE ON stacks FOR EACH ROW
            WHEN (NEW.env_vars ? '{InWrite}') EXECUTE FUNCTION stall('{InWrite}');
        CREATE CONSTRAINT TRIGGER stall_in_commit AFTER UPDATE ON stacks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            WHEN (NEW.env_vars ? '{InCommit}') EXECUTE FUNCTION stall('{InCommit}');
        """;
}
