namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>One thing that is wrong with a host's options.</summary>
/// <param name="Name">For readers.</param>
/// <param name="Break">Breaks sound options.</param>
/// <param name="Told">What the caller is told.</param>
/// <param name="NeedsOwner">Whether it matters only to merges that name an owner.</param>
internal sealed record OptionFault(string Name, Action<StackEnvMergeOptions> Break, Told Told, bool NeedsOwner = false)
{
    private const string NoSuchName = "no \"such\" name";

    private static readonly Told UndefinedTable = Told.StoreError("42P01");

    private static readonly Told UndefinedColumn = Told.StoreError("42703");

    /// <summary>Options that no merger can be made with.</summary>
    public static OptionFault[] OfTheOptions { get; } =
    [
        new("an empty table name", static options => options.Table = "", new("invalid_option", "Table")),
        new("an empty schema name", static options => options.Schema = "", new("invalid_option", "Schema")),
        new("a column name with NUL", static options => options.EnvVarsColumn = "env\0vars", new("invalid_option", "EnvVarsColumn")),
        new(
            "a column name with half of a surrogate pair",
            static options => options.UpdatedAtColumn = "up\ud83ddated",
            new("invalid_option", "UpdatedAtColumn")),
        new("a version column with NUL", static options => options.VersionColumn = "ver\0sion", new("invalid_option", "VersionColumn")),
        new(
            "the version where the set is",
            static options => options.VersionColumn = options.EnvVarsColumn,
            new("invalid_option", "VersionColumn")),
        new("no status of a teardown", static options => options.DeletingStatuses.Clear(), new("invalid_option", "DeletingStatuses")),
        new("a status with NUL", static options => options.DeletingStatuses.Add("del\0eting"), new("invalid_option", "DeletingStatuses")),
        new("a cap of one byte", static options => options.MaxEnvBytes = 1, new("invalid_option", "MaxEnvBytes")),
        new("no grammar", static options => options.IsValidKey = null!, new("invalid_option", "IsValidKey")),
    ];

    /// <summary>Options that do not fit the table.</summary>
    public static OptionFault[] OfTheTable { get; } =
    [
        new("no such schema", static options => options.Schema = NoSuchName, UndefinedTable),
        new("no such table", static options => options.Table = NoSuchName, UndefinedTable),
        new("no such key column", static options => options.KeyColumn = NoSuchName, UndefinedColumn),
        new("no such owner column", static options => options.OwnerColumn = NoSuchName, UndefinedColumn, NeedsOwner: true),
        new("no such status column", static options => options.StatusColumn = NoSuchName, UndefinedColumn),
        new("no such column of the set", static options => options.EnvVarsColumn = NoSuchName, UndefinedColumn),
        new("no such column of the version", static options => options.VersionColumn = NoSuchName, UndefinedColumn),
        new("no such column of the time", static options => options.UpdatedAtColumn = NoSuchName, UndefinedColumn),
    ];

    public override string ToString() => Name;
}
