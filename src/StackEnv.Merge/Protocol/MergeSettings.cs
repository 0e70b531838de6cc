using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// The options, checked and frozen. The protocol never sees the options themselves, so it cannot use one that is not here.
/// </summary>
internal sealed class MergeSettings
{
    /// <exception cref="ArgumentException">An option is not valid; the message names it.</exception>
    public MergeSettings(StackEnvMergeOptions options)
    {
        CheckName(options.Table, nameof(options.Table));
        CheckName(options.KeyColumn, nameof(options.KeyColumn));
        CheckName(options.OwnerColumn, nameof(options.OwnerColumn));
        CheckName(options.StatusColumn, nameof(options.StatusColumn));
        CheckName(options.EnvVarsColumn, nameof(options.EnvVarsColumn));
        if (options.Schema is not null)
        {
            CheckName(options.Schema, nameof(options.Schema));
        }

        if (options.UpdatedAtColumn is not null)
        {
            CheckName(options.UpdatedAtColumn, nameof(options.UpdatedAtColumn));
        }

        if (options.VersionColumn is not null)
        {
            CheckName(options.VersionColumn, nameof(options.VersionColumn));
            string?[] others =
                [options.KeyColumn, options.OwnerColumn, options.StatusColumn, options.EnvVarsColumn, options.UpdatedAtColumn];
            Check(
                !others.Contains(options.VersionColumn, StringComparer.Ordinal),
                nameof(options.VersionColumn),
                "names a column that has another use, and a merge would overwrite it");
        }

        DeletingStatuses = options.DeletingStatuses.ToHashSet(StringComparer.Ordinal);
        Check(
            DeletingStatuses.Count > 0,
            nameof(options.DeletingStatuses),
            "names no status, so that a stack in teardown would be written to");
        Check(
            DeletingStatuses.All(static status => status is not null && PostgresText.CanStore(status)),
            nameof(options.DeletingStatuses),
            "has a status that PostgreSQL cannot store");
        Check(
            options.LockTimeout >= TimeSpan.FromMilliseconds(1) && options.LockTimeout <= TimeSpan.FromMilliseconds(int.MaxValue),
            nameof(options.LockTimeout),
            $"must be from 1 ms to {int.MaxValue} ms (0 would let PostgreSQL wait indefinitely)");
        Check(
            options.MaxEnvBytes >= JsonSize.EmptyObject,
            nameof(options.MaxEnvBytes),
            $"must be at least {JsonSize.EmptyObject}, the size of an empty set");
        Check(options.IsValidKey is not null, nameof(options.IsValidKey), "is null");

        Table = new(options);
        Limits = new(options.LockTimeout);
        MaxEnvBytes = Math.Min(options.MaxEnvBytes, JsonSize.LargestString);
        MaxDeletesBytes = Math.Max(MaxEnvBytes, new StackEnvMergeOptions().MaxEnvBytes);
        RequireOwner = options.RequireOwner;
        IsValidKey = options.IsValidKey!;
    }

    public TargetTable Table { get; }

    public TimeLimits Limits { get; }

    public IReadOnlySet<string> DeletingStatuses { get; }

    public int MaxEnvBytes { get; }

    /// <summary>
    /// The largest object of deleted keys: as large as a set, but never below the default, so that any set can be made smaller.
    /// </summary>
    public int MaxDeletesBytes { get; }

    public bool RequireOwner { get; }

    public Func<string, bool> IsValidKey { get; }

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
