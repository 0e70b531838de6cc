using StackEnv.Merge.Protocol;

namespace StackEnv.Merge;

/// <summary>Where the stacks are and what a merge may do. Read once, when the merger is made; checked then too.</summary>
public sealed class StackEnvMergeOptions
{
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
    public Func<string, bool> IsValidKey { get; set; } = EnvKeyGrammar.Matches;

    /// <summary>A checked copy that later changes to this one do not reach.</summary>
    /// <exception cref="ArgumentException">An option is not valid; the message names it.</exception>
    internal StackEnvMergeOptions CopyChecked()
    {
        CheckName(Table, nameof(Table));
        CheckName(KeyColumn, nameof(KeyColumn));
        CheckName(OwnerColumn, nameof(OwnerColumn));
        CheckName(StatusColumn, nameof(StatusColumn));
        CheckName(EnvVarsColumn, nameof(EnvVarsColumn));
        if (Schema is not null)
        {
            CheckName(Schema, nameof(Schema));
        }

        if (UpdatedAtColumn is not null)
        {
            CheckName(UpdatedAtColumn, nameof(UpdatedAtColumn));
        }

        Check(DeletingStatuses.Count > 0, nameof(DeletingStatuses), "names no status, so that a stack in teardown would be written to");
        Check(DeletingStatuses.All(static status => status is not null && PostgresText.CanStore(status)), nameof(DeletingStatuses), "has a status that PostgreSQL cannot store");
        Check(
            LockTimeout >= TimeSpan.FromMilliseconds(1) && LockTimeout <= TimeSpan.FromMilliseconds(int.MaxValue),
            nameof(LockTimeout),
            $"must be from 1 ms to {int.MaxValue} ms (0 would let PostgreSQL wait for ever)");
        Check(MaxEnvBytes >= CompactJson.EmptyObjectBytes, nameof(MaxEnvBytes), $"must be at least {CompactJson.EmptyObjectBytes}, the size of an empty set");
        Check(IsValidKey is not null, nameof(IsValidKey), "is null");

        var copy = new StackEnvMergeOptions
        {
            Schema = Schema,
            Table = Table,
            KeyColumn = KeyColumn,
            OwnerColumn = OwnerColumn,
            StatusColumn = StatusColumn,
            EnvVarsColumn = EnvVarsColumn,
            UpdatedAtColumn = UpdatedAtColumn,
            LockTimeout = LockTimeout,
            MaxEnvBytes = MaxEnvBytes,
            RequireOwner = RequireOwner,
            IsValidKey = IsValidKey!,
        };
        copy.DeletingStatuses.Clear();
        copy.DeletingStatuses.UnionWith(DeletingStatuses);
        return copy;
    }

    private static void CheckName(string? name, string option)
    {
        Check(!string.IsNullOrEmpty(name), option, "is empty");
        Check(PostgresText.CanStore(name!), option, "has a character that PostgreSQL cannot store");
    }

    private static void Check(bool valid, string option, string complaint)
    {
        if (!valid)
        {
#pragma warning disable CA2208, MA0015 // The argument at fault is the one that the merger's constructor was given.
            throw new ArgumentException($"{nameof(StackEnvMergeOptions)}.{option} {complaint}.", "options");
#pragma warning restore CA2208, MA0015
        }
    }
}
