using System.Globalization;
using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>One row, one host and one merge.</summary>
internal sealed record HostileCase
{
    public required StackChoice Stack { get; init; }

    /// <summary>What the row's status is; <see langword="null"/> is SQL NULL.</summary>
    public required string? Status { get; init; }

    /// <summary>What the row holds; <see langword="null"/> is SQL NULL.</summary>
    public required Json? Document { get; init; }

    public required IReadOnlyList<(string Key, string? Value)> Changes { get; init; }

    /// <summary>Whether the host takes any key, or those of the default grammar.</summary>
    public required bool TakesAnyKey { get; init; }

    public required int MaxEnvBytes { get; init; }

    public required IReadOnlyList<string> DeletingStatuses { get; init; }

    /// <summary>A table of its own for this case; <see langword="null"/>: the lane's.</summary>
    public required TableNames? OddNames { get; init; }

    public required bool NamesSchema { get; init; }

    public required bool KeepsTime { get; init; }

    /// <summary>Whether the host has merges count in the version column.</summary>
    public required bool KeepsVersion { get; init; }

    /// <summary>The row's version; <see langword="null"/> is SQL NULL.</summary>
    public required long? Version { get; init; }

    /// <summary>The version that is asked for; <see langword="null"/> for any.</summary>
    public required long? AtVersion { get; init; }

    public required bool RequiresOwner { get; init; }

    /// <summary>Whether there is a journal, so that COMMIT travels by itself.</summary>
    public required bool IsJournaled { get; init; }

    /// <summary>Whether the host prepares its statements.</summary>
    public required bool IsPrepared { get; init; }

    /// <summary>What is wrong with the options; <see langword="null"/> for nothing.</summary>
    public required OptionFault? Fault { get; init; }

    /// <summary>The reference that the caller passes.</summary>
    public StackRef Reference => Stack.At(AtVersion);

    /// <summary>Whether the host's options name a version column, be it the table's or not.</summary>
    public bool NamesVersion => KeepsVersion || Options("any").VersionColumn is not null;

    public TableNames Names => OddNames ?? TableNames.Ordinary(Stack.KeyType, Stack.OwnerType);

    /// <summary>
    /// Everything that makes its host, as one value to compare; <see langword="null"/> if the table or a fault is its own.
    /// </summary>
    public object? Host => OddNames is not null || Fault is not null
        ? null
        : (Names, NamesSchema, KeepsTime, KeepsVersion, RequiresOwner, TakesAnyKey, IsJournaled, IsPrepared, MaxEnvBytes, string.Join(
            '\0', DeletingStatuses));

    /// <summary>The options of the host whose odd schema, or own one, has this name.</summary>
    public StackEnvMergeOptions Options(string schema)
    {
        var options = new StackEnvMergeOptions
        {
            Schema = NamesSchema || Names.Schema is not null ? schema : null,
            Table = Names.Table,
            KeyColumn = Names.Key,
            OwnerColumn = Names.Owner,
            StatusColumn = Names.Status,
            EnvVarsColumn = Names.Env,
            UpdatedAtColumn = KeepsTime ? Names.UpdatedAt : null,
            VersionColumn = KeepsVersion ? Names.Version : null,
            MaxEnvBytes = MaxEnvBytes,
            RequireOwner = RequiresOwner,
            LockTimeout = TimeSpan.FromSeconds(30),
        };
        if (TakesAnyKey)
        {
            options.IsValidKey = static _ => true;
        }

        options.DeletingStatuses.Clear();
        options.DeletingStatuses.UnionWith(DeletingStatuses);
        Fault?.Break(options);
        return options;
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(
            CultureInfo.InvariantCulture, $"row:      {Show(Stack.RowKey)} of {Show(Stack.RowOwner)}, status {HostileText.Show(Status)}");
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"stack:    {Show(Stack.Key)} of {Show(Stack.Owner)}, columns {Stack.KeyType} and {Stack.OwnerType}");
        text.AppendLine(
            CultureInfo.InvariantCulture, $"version:  {Show(Version)}, kept {KeepsVersion}, asked for {Show(AtVersion)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"document: {(Document is null ? "SQL NULL" : HostileText.Show(Document.Written))}");
        foreach (var (key, value) in Changes)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"change:   {HostileText.Show(key)} = {HostileText.Show(value)}");
        }

        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"options:  cap {MaxEnvBytes}, {(TakesAnyKey ? "any key" : "default grammar")}, teardown " +
            $"{string.Join(" or ", DeletingStatuses.Select(HostileText.Show))}, owner required {RequiresOwner}, keeps the time " +
            $"{KeepsTime}, names the schema {NamesSchema}, fault {Fault}");
        text.AppendLine(CultureInfo.InvariantCulture, $"host:     journal {IsJournaled}, prepares {IsPrepared}");
        if (OddNames is { } names)
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"names:    {string.Join(' ', names.All.Select(HostileText.Show))}");
        }

        return text.ToString();
    }

    private static string Show(object? value) =>
        value is string or null ? HostileText.Show(value as string) : string.Create(CultureInfo.InvariantCulture, $"{value}");
}
