using Microsoft.Extensions.Logging;

namespace StackEnv.Merge.Diagnostics;

/// <summary>Every event that is logged. Event ids and names are frozen. None has a key or a value of an environment variable.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Debug, "Stack {Stack}: {KeysSet} set, {KeysDeleted} deleted, {TotalAfter} in all, in {ElapsedMs:F1} ms")]
    public static partial void MergeCommitted(
        ILogger logger, StackRef stack, int keysSet, int keysDeleted, int totalAfter, double elapsedMs);

    [LoggerMessage(2, LogLevel.Debug, "Stack {Stack}: nothing to change, {TotalAfter} in all, in {ElapsedMs:F1} ms")]
    public static partial void MergeUnchanged(ILogger logger, StackRef stack, int totalAfter, double elapsedMs);

    [LoggerMessage(3, LogLevel.Information, "Stack {Stack}: the merge was refused ({ErrorCode}), in {ElapsedMs:F1} ms")]
    public static partial void MergeRefused(ILogger logger, StackRef stack, string errorCode, double elapsedMs);

    [LoggerMessage(4, LogLevel.Warning, "Stack {Stack}: the row was not locked within {LockTimeoutMs} ms")]
    public static partial void LockTimedOut(ILogger logger, StackRef stack, double lockTimeoutMs);

    [LoggerMessage(5, LogLevel.Error, "Stack {Stack}: the outcome of the merge is unknown, after {ElapsedMs:F1} ms. {Problem}")]
    public static partial void OutcomeUnknown(ILogger logger, StackRef stack, string problem, double elapsedMs);

    [LoggerMessage(6, LogLevel.Error, "Stack {Stack}: nothing was written (SQLSTATE {SqlState}), in {ElapsedMs:F1} ms. {Problem}")]
    public static partial void StoreFailed(ILogger logger, StackRef stack, string? sqlState, string problem, double elapsedMs);

    [LoggerMessage(7, LogLevel.Debug, "Stack {Stack}: the merge was cancelled and nothing was committed, in {ElapsedMs:F1} ms")]
    public static partial void MergeCancelled(ILogger logger, StackRef stack, double elapsedMs);

    [LoggerMessage(8, LogLevel.Error, "Stack {Stack}: nothing was written, as the table is not suitable, in {ElapsedMs:F1} ms. {Problem}")]
    public static partial void TableUnsuitable(ILogger logger, StackRef stack, string problem, double elapsedMs);

    [LoggerMessage(9, LogLevel.Error, "Stack {Stack}: committed, but the table is not suitable, in {ElapsedMs:F1} ms. {Problem}")]
    public static partial void CommittedAnomaly(ILogger logger, StackRef stack, string problem, double elapsedMs);

    [LoggerMessage(10, LogLevel.Warning, "Stack {Stack}: refused ({ErrorCode}), the document is no JSON object, in {ElapsedMs:F1} ms")]
    public static partial void StoredEnvInvalid(ILogger logger, StackRef stack, string errorCode, double elapsedMs);
}
