using System.Globalization;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>What a caller is told, its facts included, in one line. The first word is the kind.</summary>
internal static class Verdict
{
    public const string Nul = "NUL";

    public const string Surrogate = "surrogate";

    public static string Merged(int keysSet, int keysDeleted, int totalAfter) => string.Create(CultureInfo.InvariantCulture, $"merged {keysSet} set, {keysDeleted} deleted, {totalAfter} in all");

    public static string Unchanged(int keysSet, int totalAfter) => string.Create(CultureInfo.InvariantCulture, $"unchanged {keysSet} set, {totalAfter} in all");

    public static string TooLarge(long sizeBytes, long limitBytes) => string.Create(CultureInfo.InvariantCulture, $"env_too_large {sizeBytes} > {limitBytes}");

    public static string InvalidKey(string shown) => $"invalid_env_key {shown}";

    public static string InvalidValue(string shownKey, string culprit) => $"invalid_env_value {shownKey} {culprit}";

    public static string Deleting(string status) => $"stack_deleting {status}";

    /// <summary>What the result says.</summary>
    public static string Of(MergeResult result) => result switch
    {
        { Changed: true } => Merged(result.KeysSet, result.KeysDeleted, result.TotalAfter),
        { KeysDeleted: 0 } => Unchanged(result.KeysSet, result.TotalAfter),
        _ => $"contradiction {result}",
    };

    /// <summary>What the failure says.</summary>
    public static string Of(Exception failure) => failure switch
    {
        InvalidEnvKeyException invalid => InvalidKey(invalid.Key),
        InvalidEnvValueException invalid => InvalidValue(invalid.Key, invalid.Reason.Contains(Nul, StringComparison.Ordinal) ? Nul : Surrogate),
        EnvTooLargeException tooLarge => TooLarge(tooLarge.SizeBytes, tooLarge.LimitBytes),
        StackDeletingException deleting => Deleting(deleting.Status),
        StackEnvStoreException { InnerException: null, SqlState: { } sqlState } => $"store_error {sqlState}",
        StackEnvStoreException store => $"store_error {store.Message}",
        StackEnvMergeException other => other.ErrorCode,
        ArgumentException { ParamName: "options" } misuse => $"invalid_option {misuse.Message.Split(' ')[0].Split('.')[^1]}",
        ArgumentException misuse => $"misuse_{misuse.ParamName}",
        _ => $"unexpected {failure}",
    };
}
