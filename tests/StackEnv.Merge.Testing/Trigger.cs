namespace StackEnv.Merge.Testing;

/// <summary>The SQL of a row trigger named <c>act</c>, and of its function.</summary>
public static class Trigger
{
    /// <summary>Ends with RETURN NEW, unless the body returns or raises something itself.</summary>
    public static string On(string body, string when = "BEFORE UPDATE", string table = "stacks") =>
        $"{Function(body)} CREATE TRIGGER act {when} ON {table} FOR EACH ROW EXECUTE FUNCTION act();";

    /// <summary>The same within COMMIT.</summary>
    public static string InCommit(string body, string when = "AFTER UPDATE", string table = "stacks") =>
        $"{Function(body)} CREATE CONSTRAINT TRIGGER act {when} ON {table} DEFERRABLE INITIALLY DEFERRED " +
        "FOR EACH ROW EXECUTE FUNCTION act();";

    /// <summary>Only the function.</summary>
    public static string Function(string body) =>
        $"CREATE OR REPLACE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $act$ BEGIN {body}; RETURN NEW; END $act$;";
}
