using System.Globalization;
using System.Text.Json;

namespace StackEnv.Merge.Testing;

/// <summary>What the caller of a merge was told, with all its facts, in a form in which two answers can be compared.</summary>
/// <param name="Code">The outcome as the metrics name it: <c>committed</c>, <c>unchanged</c>, <c>cancelled</c> or an error code.</param>
/// <param name="Facts">The counts, the names, the version and the set, the sizes, the key, the status or the SQLSTATE.</param>
public sealed record Told(string Code, string Facts = "")
{
    public const string Nul = "NUL";
    public const string Surrogate = "surrogate";

    /// <summary>Whether the caller knows the merge to be committed; <see langword="null"/> if the outcome is unknown.</summary>
    public bool? IsCommitted => Code switch
    {
        "committed" or "unchanged" => true,
        "outcome_unknown" => null,
        _ => false,
    };

    public static Told NotFound { get; } = new("not_found");

    /// <summary>The names count in their order.</summary>
    public static Told Merged(
        bool changed,
        int keysSet,
        int keysDeleted,
        int totalAfter,
        IEnumerable<KeyValuePair<string, string>> env,
        (IEnumerable<string> Added, IEnumerable<string> Updated, IEnumerable<string> Deleted) keys,
        long? version)
    {
        var names = JsonSerializer.Serialize<IEnumerable<string>[]>([keys.Added, keys.Updated, keys.Deleted]);
        return new(
            changed ? "committed" : "unchanged",
            $"{keysSet} set, {keysDeleted} deleted, {totalAfter} in all, " +
            $"version {version?.ToString(CultureInfo.InvariantCulture) ?? "none"}, " +
            $"{names}: {EnvText.Of(env)}");
    }

    public static Told Deleting(string status) => new("stack_deleting", status);

    public static Told AtAnotherVersion(long expected, long? actual) => new("version_mismatch", $"{expected} and not {actual}");

    public static Told TooLarge(long sizeBytes, long limitBytes) => new("env_too_large", $"{sizeBytes} > {limitBytes}");

    public static Told InvalidKey(string shown) => new("invalid_env_key", shown);

    public static Told InvalidValue(string shownKey, string culprit) => new("invalid_env_value", $"{shownKey} {culprit}");

    public static Told StoreError(string sqlState) => new("store_error", sqlState);

    public static Told Of(MergeResult result) => Merged(
        result.Changed,
        result.KeysSet,
        result.KeysDeleted,
        result.TotalAfter,
        result.Env,
        (result.AddedKeys, result.UpdatedKeys, result.DeletedKeys),
        result.Version);

    public static Told Of(Exception failure) => failure switch
    {
        InvalidEnvKeyException invalid => InvalidKey(invalid.Key),
        InvalidEnvValueException invalid =>
            InvalidValue(invalid.Key, invalid.Reason.Contains(Nul, StringComparison.Ordinal) ? Nul : Surrogate),
        EnvTooLargeException tooLarge => TooLarge(tooLarge.SizeBytes, tooLarge.LimitBytes),
        StackVersionException version => AtAnotherVersion(version.Expected, version.Actual),
        StackDeletingException deleting => Deleting(deleting.Status),
        StackEnvStoreException { InnerException: null, SqlState: { } sqlState } => StoreError(sqlState),
        StackEnvStoreException store => StoreError(store.Message),
        StackEnvMergeException other => new(other.ErrorCode),
        OperationCanceledException => new("cancelled"),
        ArgumentException { ParamName: "options" } misuse => new("invalid_option", misuse.Message.Split(' ')[0].Split('.')[^1]),
        ArgumentException misuse => new($"misuse_{misuse.ParamName}"),
        _ => new("unexpected", $"{failure}"),
    };

    public override string ToString() => Facts.Length == 0 ? Code : $"{Code} ({Facts})";
}
