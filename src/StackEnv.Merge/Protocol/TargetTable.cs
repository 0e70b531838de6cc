using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>The table and its columns, each name quoted once.</summary>
internal sealed class TargetTable(StackEnvMergeOptions options)
{
    public string Name { get; } = options.Schema is null
        ? SqlQuote.Identifier(options.Table)
        : $"{SqlQuote.Identifier(options.Schema)}.{SqlQuote.Identifier(options.Table)}";

    /// <summary>The options' names as they are, for messages and for the catalogs.</summary>
    public (string? Schema, string Table, string Key, string Owner, string Status, string EnvVars, string? UpdatedAt, string? Version)
        Unquoted
    { get; } =
        (options.Schema, options.Table, options.KeyColumn, options.OwnerColumn, options.StatusColumn, options.EnvVarsColumn,
            options.UpdatedAtColumn, options.VersionColumn);

    public string Key { get; } = SqlQuote.Identifier(options.KeyColumn);

    public string Owner { get; } = SqlQuote.Identifier(options.OwnerColumn);

    public string Status { get; } = SqlQuote.Identifier(options.StatusColumn);

    public string EnvVars { get; } = SqlQuote.Identifier(options.EnvVarsColumn);

    /// <summary>The column that takes the time of a write; <see langword="null"/> if there is none.</summary>
    public string? UpdatedAt { get; } = options.UpdatedAtColumn is { } updatedAt ? SqlQuote.Identifier(updatedAt) : null;

    /// <summary>The column that counts the writes; <see langword="null"/> if there is none.</summary>
    public string? Version { get; } = options.VersionColumn is { } version ? SqlQuote.Identifier(version) : null;
}
