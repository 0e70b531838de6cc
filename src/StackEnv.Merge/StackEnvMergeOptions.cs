using System.Buffers;

namespace StackEnv.Merge;

/// <summary>Where the stacks are and what a merge may do. Read once, when the merger is made; checked then too.</summary>
public sealed class StackEnvMergeOptions
{
    private static readonly SearchValues<char> KeyCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    /// <summary>The schema of <see cref="Table"/>; <see langword="null"/> (the default) leaves it to the connection's <c>search_path</c>.</summary>
    public string? Schema { get; set; }

    /// <summary>The table that has one row for each stack. The default is <c>stacks</c>. Any name works as it is: it is quoted.</summary>
    public string Table { get; set; } = "stacks";

    /// <summary>
    /// The column that <see cref="StackRef.Key"/> is looked up in: <c>uuid</c>, <c>text</c> or <c>bigint</c>, and unique, alone or together
    /// with <see cref="OwnerColumn"/>. The default is <c>id</c>.
    /// </summary>
    public string KeyColumn { get; set; } = "id";

    /// <summary>The column that <see cref="StackRef.Owner"/> is compared with. The default is <c>team_id</c>. Not used by merges that name no owner.</summary>
    public string OwnerColumn { get; set; } = "team_id";

    /// <summary>The column that says what state the stack is in, of a text or an enum type. The default is <c>status</c>.</summary>
    public string StatusColumn { get; set; } = "status";

    /// <summary>The <c>jsonb</c> column that holds the set. SQL NULL reads as an empty set. The default is <c>env_vars</c>.</summary>
    public string EnvVarsColumn { get; set; } = "env_vars";

    /// <summary>The column that takes the time of each merge that changed something; <see langword="null"/>: none. The default is <c>updated_at</c>.</summary>
    public string? UpdatedAtColumn { get; set; } = "updated_at";

    /// <summary>The values of <see cref="StatusColumn"/> that mean a teardown: a stack with one of them is never merged into. Case counts. The default is <c>deleting</c>.</summary>
    public ISet<string> DeletingStatuses { get; } = new HashSet<string>(StringComparer.Ordinal) { "deleting" };

    /// <summary>
    /// The longest that one merge waits for the stack's row, however many others wait for it too. From 1 ms to <see cref="int.MaxValue"/> ms,
    /// in whole milliseconds (a fraction is rounded up). The default is 3 s.
    /// </summary>
    /// <remarks>
    /// PostgreSQL's own <see href="https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT">lock_timeout</see> bounds
    /// each single wait, of which a merge in a queue can have several; the merge bounds their sum. The wait for a connection of the pool is not
    /// part of it, and neither are journals.
    /// </remarks>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// The largest set that may be stored, in bytes of its compact JSON object in UTF-8. At least 2, the size of an empty one. The default is
    /// 65,536. A set that is larger already can still be made smaller.
    /// </summary>
    public int MaxEnvBytes { get; set; } = 65_536;

    /// <summary>Whether a merge has to name the owner by <see cref="StackRef.OwnedBy(Guid)"/>. The default is <see langword="false"/>.</summary>
    public bool RequireOwner { get; set; }

    /// <summary>Which keys may be set and deleted. The default is the grammar <c>[A-Z_][A-Z0-9_]*</c>. Called on the caller's thread; must be thread-safe. What it throws reaches the caller, and nothing was sent.</summary>
    public Func<string, bool> IsValidKey { get; set; } = MatchesGrammar;

    private static bool MatchesGrammar(string key) =>
        key.Length > 0 && !char.IsAsciiDigit(key[0]) && !key.AsSpan().ContainsAnyExcept(KeyCharacters);
}
