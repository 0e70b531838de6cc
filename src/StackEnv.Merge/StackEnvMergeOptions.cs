using System.Buffers;

namespace StackEnv.Merge;

/// <summary>Where the stacks are and what a merge may do. The merger's constructor reads the options once, and checks them.</summary>
public sealed class StackEnvMergeOptions
{
    private static readonly SearchValues<char> KeyCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    /// <summary>
    /// Gets or sets the schema of <see cref="Table"/>. With <see langword="null"/>, the default, the connection's <c>search_path</c>
    /// decides.
    /// </summary>
    public string? Schema { get; set; }

    /// <summary>
    /// Gets or sets the table that has one row for each stack. The default is <c>stacks</c>. Any name works as it is, because it is quoted:
    /// put a schema into <see cref="Schema"/>.
    /// </summary>
    public string Table { get; set; } = "stacks";

    /// <summary>
    /// Gets or sets the column in which <see cref="StackRef.Key"/> is looked up. The default is <c>id</c>.
    /// </summary>
    /// <remarks>
    /// Its type is <c>uuid</c>, <c>text</c>, <c>varchar</c>, <c>name</c>, <c>bigint</c>, <c>integer</c>, <c>smallint</c> or <c>numeric</c>,
    /// or a domain over one of them. It is unique: alone, or together with <see cref="OwnerColumn"/> for merges that name the owner. Other
    /// tables are refused with <see cref="UnsuitableTableException"/>. The uniqueness of a view or a foreign table cannot be judged: there
    /// COMMIT waits until the rows have been counted, in a second round trip.
    /// </remarks>
    public string KeyColumn { get; set; } = "id";

    /// <summary>
    /// Gets or sets the column that <see cref="StackRef.Owner"/> is compared with. The default is <c>team_id</c>. Merges that name no owner
    /// do not use it.
    /// </summary>
    public string OwnerColumn { get; set; } = "team_id";

    /// <summary>
    /// Gets or sets the column with the state of the stack. The default is <c>status</c>. It is of a text or an enum type; a number or a
    /// boolean works if <see cref="DeletingStatuses"/> names its values.
    /// </summary>
    public string StatusColumn { get; set; } = "status";

    /// <summary>
    /// Gets or sets the <c>jsonb</c> column that holds the set. SQL NULL reads as an empty set. The default is <c>env_vars</c>.
    /// </summary>
    public string EnvVarsColumn { get; set; } = "env_vars";

    /// <summary>
    /// Gets or sets the <c>timestamptz</c> column that takes the time of each merge that changed something; <see langword="null"/> for
    /// none. The default is <c>updated_at</c>. A <c>timestamp</c> is refused, because it would be written in the session's time zone.
    /// </summary>
    public string? UpdatedAtColumn { get; set; } = "updated_at";

    /// <summary>
    /// Gets or sets the <c>bigint</c> column that counts the merges that wrote the row: each of them raises it by one, in the same UPDATE.
    /// <see langword="null"/>, the default, for none.
    /// </summary>
    /// <remarks>
    /// <para>
    /// It makes <see cref="MergeResult.Version"/> and <see cref="StackRef.AtVersion"/> available. SQL NULL counts as version 0. A merge
    /// that changes nothing leaves it as it is. If other code writes the set, have it raise the version too; a trigger that raises it as
    /// well makes a merge raise it by two. A number that cannot be raised any more fails the merge.
    /// </para>
    /// <para>
    /// PostgreSQL's own <c>xmin</c> cannot take its place: it changes with every column of the row, and with a dump and restore.
    /// </para>
    /// </remarks>
    public string? VersionColumn { get; set; }

    /// <summary>
    /// Gets the values of <see cref="StatusColumn"/> that mean a teardown: nothing is merged into a stack with one of them. Case matters.
    /// The default is <c>deleting</c>.
    /// </summary>
    public ISet<string> DeletingStatuses { get; } = new HashSet<string>(StringComparer.Ordinal) { "deleting" };

    /// <summary>
    /// Gets or sets how long one merge waits for the stack's row, however many others wait for it too. From 1 ms to
    /// <see cref="int.MaxValue"/> ms, in whole milliseconds (a fraction is rounded up). The default is 3 s.
    /// </summary>
    /// <remarks>
    /// PostgreSQL's own <see href="https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT">lock_timeout</see>
    /// bounds each single wait, of which a merge in a queue can have several; the merge bounds their sum. It is not a limit on the whole
    /// call: the wait for a connection, the table check, the UPDATE with its triggers, journals and COMMIT are not part of it.
    /// </remarks>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Gets or sets the size of the largest set that may be stored, in bytes of its compact JSON object in UTF-8. At least 2, the size of
    /// an empty one. The default is 65,536. A set that is larger already can still be made smaller.
    /// </summary>
    /// <remarks>
    /// The keys that one merge deletes, as an object with empty values, may take as much, and never less than the default: a longer key
    /// cannot be deleted by a merge. Values above 166,666,666 count as that: no longer string can be sent.
    /// </remarks>
    public int MaxEnvBytes { get; set; } = 65_536;

    /// <summary>
    /// Gets or sets whether each merge must name the owner with <see cref="StackRef.OwnedBy(Guid)"/>. The default is
    /// <see langword="false"/>.
    /// </summary>
    public bool RequireOwner { get; set; }

    /// <summary>
    /// Gets or sets which keys may be set and deleted. The default is the grammar <c>[A-Z_][A-Z0-9_]*</c>. It is called on the caller's
    /// thread and must be thread-safe. What it throws reaches the caller, and nothing was sent.
    /// </summary>
    public Func<string, bool> IsValidKey { get; set; } = MatchesGrammar;

    private static bool MatchesGrammar(string key) =>
        key.Length > 0 && !char.IsAsciiDigit(key[0]) && !key.AsSpan().ContainsAnyExcept(KeyCharacters);
}
