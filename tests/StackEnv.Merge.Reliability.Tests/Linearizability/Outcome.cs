namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>What a caller is told, every fact of it, in a form that two of them can be compared by.</summary>
internal sealed record Outcome(OutcomeKind Kind, string Facts = "")
{
    public static Outcome Merged(bool changed, int keysSet, int keysDeleted, int totalAfter, string env) => new(
        changed ? OutcomeKind.Written : OutcomeKind.Unchanged,
        $"{keysSet} set, {keysDeleted} deleted, {totalAfter} in all: {env}");

    public static Outcome Deleting(string status) => new(OutcomeKind.Deleting, status);

    public static Outcome TooLarge(long sizeBytes, long limitBytes) => new(OutcomeKind.TooLarge, $"{sizeBytes} of {limitBytes} bytes");

    public static Outcome NotFound() => new(OutcomeKind.NotFound);

    public static Outcome Of(MergeResult result) =>
        Merged(result.Changed, result.KeysSet, result.KeysDeleted, result.TotalAfter, EnvText.Of(result.Env));

    public static Outcome Of(Exception failure) => failure switch
    {
        StackDeletingException deleting => Deleting(deleting.Status),
        EnvTooLargeException tooLarge => TooLarge(tooLarge.SizeBytes, tooLarge.LimitBytes),
        StackNotFoundException => NotFound(),
        LockTimeoutException => new(OutcomeKind.LockTimeout),
        OperationCanceledException => new(OutcomeKind.Cancelled),
        MergeOutcomeUnknownException => new(OutcomeKind.Unknown),
        _ => new(OutcomeKind.Failed, $"{failure.GetType().Name}: {failure.Message}"),
    };

    public override string ToString() => Facts.Length == 0 ? $"{Kind}" : $"{Kind} ({Facts})";
}
